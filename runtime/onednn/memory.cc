#include <oneapi/dnnl/dnnl_debug.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// All format tags by name and, for the reverse search, by rank in oneDNN's order (plain ones first).
struct TagTable {
  std::map<std::string, dnnl_format_tag_t> by_name;
  std::vector<std::pair<std::string, dnnl_format_tag_t>> by_rank[DNNL_MAX_NDIMS + 1];

  TagTable() {
    for (int t = dnnl_format_tag_any + 1; t < dnnl_format_tag_last; ++t) {
      auto tag = static_cast<dnnl_format_tag_t>(t);
      std::string name = dnnl_fmt_tag2str(tag);
      int rank = 0;
      for (char c : name) {
        if (std::isalpha(static_cast<unsigned char>(c))) rank = std::max(rank, std::tolower(c) - 'a' + 1);
      }
      if (rank < 1 || rank > DNNL_MAX_NDIMS || name.find_first_of("uxyz?_") != name.npos) continue;
      if (by_name.emplace(name, tag).second) by_rank[rank].emplace_back(name, tag);
    }
  }
  static const TagTable& Get() {
    static const auto* table = new TagTable;
    return *table;
  }
};

dnnl::memory::dims DnnlDims(const Shape& dims) { return dims.empty() ? dnnl::memory::dims{1} : dims; }

DType FromDnnlType(dnnl::memory::data_type t) {
  switch (t) {
    case dnnl::memory::data_type::f32:
      return DType::kF32;
    case dnnl::memory::data_type::s32:
      return DType::kS32;
    case dnnl::memory::data_type::u8:
      return DType::kU8;
    case dnnl::memory::data_type::s8:
      return DType::kS8;
    case dnnl::memory::data_type::bf16:
      return DType::kBF16;
    default:
      return DType::kUndefined;
  }
}

}  // namespace

dnnl::memory::data_type ToDnnlType(DType t) {
  switch (t) {
    case DType::kF32:
      return dnnl::memory::data_type::f32;
    case DType::kS32:
      return dnnl::memory::data_type::s32;
    case DType::kU8:
    case DType::kBool:
      return dnnl::memory::data_type::u8;
    case DType::kS8:
      return dnnl::memory::data_type::s8;
    case DType::kBF16:
      return dnnl::memory::data_type::bf16;
    default:
      return dnnl::memory::data_type::undef;
  }
}

dnnl::memory::desc ToDnnl(const MemoryDesc& desc) {
  auto tag = dnnl_format_tag_any;
  if (!desc.any()) {
    auto it = TagTable::Get().by_name.find(desc.layout);
    if (it == TagTable::Get().by_name.end()) {
      throw std::invalid_argument(absl::StrCat("no layout \"", desc.layout, "\""));
    }
    tag = it->second;
  }
  return dnnl::memory::desc(DnnlDims(desc.dims), ToDnnlType(desc.dtype), static_cast<dnnl::memory::format_tag>(tag));
}

dnnl::memory::desc PlainDnnl(DType dtype, const Shape& dims) { return ToDnnl(MemoryDesc::Plain(dtype, dims)); }

dnnl::memory::desc BroadcastDnnl(const MemoryDesc& desc, size_t rank) {
  if (desc.dims.size() >= rank) return ToDnnl(desc);
  ATH_CHECK(desc.plain() || desc.any());
  Shape dims(rank - desc.dims.size(), 1);
  dims.insert(dims.end(), desc.dims.begin(), desc.dims.end());
  return PlainDnnl(desc.dtype, dims);
}

absl::StatusOr<MemoryDesc> FromDnnl(const dnnl::memory::desc& desc) {
  MemoryDesc out;
  out.dtype = FromDnnlType(desc.get_data_type());
  out.dims = desc.get_dims();
  for (const auto& [name, tag] : TagTable::Get().by_rank[out.dims.size()]) {
    dnnl_memory_desc_t candidate = nullptr;
    if (dnnl_memory_desc_create_with_tag(&candidate, static_cast<int>(out.dims.size()), out.dims.data(),
                                         static_cast<dnnl_data_type_t>(desc.get_data_type()), tag) != dnnl_success) {
      continue;
    }
    bool equal = dnnl_memory_desc_equal(candidate, desc.get());
    dnnl_memory_desc_destroy(candidate);
    if (equal) {
      out.layout = name;
      return out;
    }
  }
  return MakeError(ErrorClass::kFormat, "oneDNN's layout of %s%s has no format tag", DTypeName(out.dtype),
                   ShapeToString(out.dims));
}

absl::StatusOr<MemoryDesc> FromDnnl(const dnnl::memory::desc& desc, const MemoryDesc& like) {
  ATH_ASSIGN_OR_RETURN(MemoryDesc out, FromDnnl(desc));
  out.dims = like.dims;
  out.dtype = like.dtype;
  return out;
}

absl::StatusOr<int64_t> LayoutBytes(const MemoryDesc& desc) {
  // Sizes are checked before oneDNN sees them; the types it does not know (s64, f64) are always plain.
  ATH_ASSIGN_OR_RETURN(int64_t plain_bytes, NumBytes(desc.dtype, desc.dims));
  if (desc.plain()) return plain_bytes;
  try {
    return static_cast<int64_t>(ToDnnl(desc).get_size());
  } catch (const std::exception& e) {
    return MakeError(ErrorClass::kFormat, "%s is not a layout: %s", desc.ToString(), e.what());
  }
}

}  // namespace athanor
