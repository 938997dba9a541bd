// What oneDNN says of itself. Does not include oneDNN's header.
#ifndef ATHANOR_RUNTIME_ONEDNN_LIBRARY_H_
#define ATHANOR_RUNTIME_ONEDNN_LIBRARY_H_

#include <cstdint>
#include <string>

#include "runtime/core/memory_desc.h"
#include "runtime/core/status.h"

namespace athanor {

// "3.2.0"
std::string OneDnnVersion();
// The ISA that oneDNN dispatches to on this CPU, within ONEDNN_MAX_CPU_ISA: "sse41", "avx", "avx2", "avx2_vnni",
// "avx512_core", "avx512_core_vnni", "avx512_core_bf16", "avx512_core_fp16", "avx512_core_amx", ...
std::string EffectiveIsa();
// Bytes of a tensor in its layout, padding of blocks included. SHAPE or FORMAT error for a layout that does not exist
// or does not fit the rank.
absl::StatusOr<int64_t> LayoutBytes(const MemoryDesc& desc);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_ONEDNN_LIBRARY_H_
