#include "runtime/core/memory_desc.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace athanor {

std::string MemoryDesc::ToString() const {
  return absl::StrCat(DTypeName(dtype), ShapeToString(dims), ":", any() ? "any" : layout);
}

absl::StatusOr<MemoryDesc> MemoryDesc::Parse(absl::string_view text) {
  auto error = [&] { return MakeError(ErrorClass::kFormat, "\"%s\" is not a memory descriptor like f32[2,3]:ab", text); };
  size_t open = text.find('['), close = text.find("]:");
  if (open == text.npos || close == text.npos || close < open) return error();
  MemoryDesc d;
  auto dtype = ParseDType(text.substr(0, open));
  if (!dtype) return error();
  d.dtype = *dtype;
  absl::string_view dims = text.substr(open + 1, close - open - 1);
  if (!dims.empty()) {
    for (absl::string_view item : absl::StrSplit(dims, ',')) {
      int64_t v;
      if (!absl::SimpleAtoi(item, &v) || v < 0) return error();
      d.dims.push_back(v);
    }
  }
  absl::string_view layout = text.substr(close + 2);
  if (layout.empty()) return error();
  if (layout != "any") d.layout = std::string(layout);
  return d;
}

}  // namespace athanor
