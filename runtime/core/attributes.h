// Named, typed values of operators and kernel calls. The model and plan files keep attributes in this generic form,
// so that a new operator needs no schema change.
#ifndef ATHANOR_RUNTIME_CORE_ATTRIBUTES_H_
#define ATHANOR_RUNTIME_CORE_ATTRIBUTES_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace athanor {

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Strings = std::vector<std::string>;

// DO NOT REORDER the alternatives: their index is the AttrType, which is embedded in the files.
using AttrValue = std::variant<bool, int64_t, double, std::string, Ints, Floats, Strings>;
enum class AttrType : uint8_t { kBool, kInt, kFloat, kString, kInts, kFloats, kStrings };

inline AttrType TypeOf(const AttrValue& v) { return static_cast<AttrType>(v.index()); }
// "bool", "int", "float", "string", "ints", "floats", "strings"
absl::string_view AttrTypeName(AttrType t);

// Text form: true, 3, 0.5, "text", [1,2], [0.5,1.0], ["a","b"]. A float always holds '.', 'e', "inf" or "nan", and
// prints with the digits needed to read back the same double; an empty list prints as ints[], floats[] or strings[].
std::string AttrToString(const AttrValue& v);

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, AttrValue>> items) : map_(items) {}

  bool Has(absl::string_view name) const { return Find(name) != nullptr; }
  // nullptr when absent.
  const AttrValue* Find(absl::string_view name) const;
  void Set(absl::string_view name, AttrValue v) { map_.insert_or_assign(std::string(name), std::move(v)); }
  // For literals: an int is an int64_t attribute, a const char* a string. A bool and a double have their own, or they
  // would become ints.
  void Set(absl::string_view name, int v) { Set(name, AttrValue(int64_t{v})); }
  void Set(absl::string_view name, int64_t v) { Set(name, AttrValue(v)); }
  void Set(absl::string_view name, bool v) { Set(name, AttrValue(v)); }
  void Set(absl::string_view name, double v) { Set(name, AttrValue(v)); }
  void Set(absl::string_view name, const char* v) { Set(name, AttrValue(std::string(v))); }
  void Erase(absl::string_view name) { map_.erase(std::string(name)); }

  // The attribute, or `otherwise` when it is absent. CHECK-fails on another type: attributes of a node are checked
  // against the operator's AttrDefs (types, ranges, defaults filled in) before anything reads them.
  bool Bool(absl::string_view name, bool otherwise = false) const { return Get<bool>(name, otherwise); }
  int64_t Int(absl::string_view name, int64_t otherwise = 0) const { return Get<int64_t>(name, otherwise); }
  double Float(absl::string_view name, double otherwise = 0) const { return Get<double>(name, otherwise); }
  std::string String(absl::string_view name, std::string otherwise = "") const { return Get(name, otherwise); }
  Ints GetInts(absl::string_view name, Ints otherwise = {}) const { return Get(name, otherwise); }
  Floats GetFloats(absl::string_view name, Floats otherwise = {}) const { return Get(name, otherwise); }
  Strings GetStrings(absl::string_view name, Strings otherwise = {}) const { return Get(name, otherwise); }

  const std::map<std::string, AttrValue, std::less<>>& items() const { return map_; }
  bool empty() const { return map_.empty(); }
  bool operator==(const Attributes&) const = default;

  // "{a=1, b=[1,2]}" in name order; "" when empty.
  std::string ToString() const;

 private:
  template <typename T>
  T Get(absl::string_view name, const T& otherwise) const {
    const AttrValue* v = Find(name);
    if (v == nullptr) return otherwise;
    const T* t = std::get_if<T>(v);
    ATH_CHECK(t != nullptr);
    return *t;
  }
  std::map<std::string, AttrValue, std::less<>> map_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_ATTRIBUTES_H_
