#include <algorithm>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/program/text.h"

namespace athanor {
namespace {

constexpr absl::string_view kBufferKinds[] = {"temporary", "input", "output", "variable"};
constexpr absl::string_view kVariableKinds[] = {"parameter", "state", "constant"};

std::string Quoted(absl::string_view s) { return absl::StrCat("\"", absl::CHexEscape(s), "\""); }

std::string NameText(absl::string_view name) {
  auto is_name_char = [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '/' || c == '$'; };
  bool plain = !name.empty() && (absl::ascii_isalpha(name[0]) || name[0] == '_') &&
               std::all_of(name.begin(), name.end(), is_name_char);
  return plain ? std::string(name) : Quoted(name);
}

// How the items of a list are referred to: by name where only one has it.
class Names {
 public:
  template <typename Items>
  Names(absl::string_view sigil, const Items& items) : sigil_(sigil) {
    for (const auto& item : items) {
      names_.push_back(item.name);
      ++count_[item.name];
    }
  }
  std::string Ref(int i) const {
    bool by_name = i >= 0 && i < static_cast<int>(names_.size()) && !names_[i].empty() && count_.at(names_[i]) == 1;
    return absl::StrCat(sigil_, by_name ? NameText(names_[i]) : absl::StrCat(i));
  }
  std::string Refs(const std::vector<BufferId>& ids) const {
    auto each = [this](std::string* out, BufferId id) { out->append(Ref(id)); };
    return absl::StrCat("(", absl::StrJoin(ids, ", ", each), ")");
  }

 private:
  absl::string_view sigil_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, int> count_;
};

void AppendInt(std::string* out, absl::string_view key, int64_t v, int64_t otherwise) {
  if (v != otherwise) absl::StrAppend(out, " ", key, "=", v);
}

std::string ProgramLine(const Entry& e) {
  std::string out = absl::StrCat("program ", Quoted(e.name));
  auto each = [](std::string* s, const auto& item) { absl::StrAppend(s, NameText(item.first), "=", item.second); };
  if (!e.symbols.empty()) absl::StrAppend(&out, " symbols={", absl::StrJoin(e.symbols, ", ", each), "}");
  AppendInt(&out, "arena", e.arena_bytes, 0);
  AppendInt(&out, "reorders", e.reorders, 0);
  return out;
}

std::string VariableLine(const Variable& v) {
  std::string out = absl::StrCat("variable ", NameText(v.name), ": ", kVariableKinds[static_cast<int>(v.kind)], " ",
                                 v.desc.ToString());
  AppendInt(&out, "bytes", v.bytes, 0);
  AppendInt(&out, "offset", v.offset, kUnplaced);
  return out;
}

std::string BufferLine(const Buffer& b, const Names& buffers, const Names& variables) {
  std::string out =
      absl::StrCat("buffer ", NameText(b.name), ": ", kBufferKinds[static_cast<int>(b.kind)], " ", b.desc.ToString());
  AppendInt(&out, "bytes", b.bytes, 0);
  AppendInt(&out, "offset", b.offset, kUnplaced);
  if (b.variable != -1) absl::StrAppend(&out, " of=", variables.Ref(b.variable));
  if (b.alias_of != kNoBuffer) absl::StrAppend(&out, " alias_of=", buffers.Ref(b.alias_of));
  if (b.layout_like != kNoBuffer) absl::StrAppend(&out, " layout_like=", buffers.Ref(b.layout_like));
  return out;
}

void AppendPostOp(std::string* out, const PostOp& op) {
  absl::StrAppend(out, NameText(op.op));
  if (op.operand != -1) absl::StrAppend(out, "(", op.operand, ")");
  absl::StrAppend(out, op.attrs.ToString());
}

std::string CallLine(const KernelCall& c, const Names& buffers) {
  std::string out = absl::StrCat("call ", buffers.Refs(c.outputs), " = ", NameText(c.kernel), buffers.Refs(c.inputs));
  if (!c.name.empty()) absl::StrAppend(&out, " name=", Quoted(c.name));
  if (!c.attrs.empty()) absl::StrAppend(&out, " attrs=", c.attrs.ToString());
  if (!c.post_ops.empty()) absl::StrAppend(&out, " post_ops=[", absl::StrJoin(c.post_ops, ", ", AppendPostOp), "]");
  AppendInt(&out, "threads", c.threads, 1);
  if (c.scratch_bytes != 0 || c.scratch_offset != kUnplaced) absl::StrAppend(&out, " scratch=", c.scratch_bytes);
  if (c.scratch_offset != kUnplaced) absl::StrAppend(&out, "@", c.scratch_offset);
  if (!c.impl.empty()) absl::StrAppend(&out, " impl=", Quoted(c.impl));
  if (c.flops != 0) absl::StrAppend(&out, " flops=", AttrToString(c.flops));
  if (c.bytes != 0) absl::StrAppend(&out, " bytes=", AttrToString(c.bytes));
  return out;
}

}  // namespace

std::string ToText(const Entry& entry, absl::Span<const Variable> variables) {
  Names buffer_names("%", entry.buffers), variable_names("@", variables);
  std::string out = ProgramLine(entry) + "\n";
  for (const Variable& v : variables) absl::StrAppend(&out, VariableLine(v), "\n");
  for (const Buffer& b : entry.buffers) absl::StrAppend(&out, BufferLine(b, buffer_names, variable_names), "\n");
  for (const KernelCall& c : entry.calls) absl::StrAppend(&out, CallLine(c, buffer_names), "\n");
  auto bind = [&](absl::string_view what, const NamedBuffer& n) {
    absl::StrAppend(&out, what, " ", NameText(n.name), " = ", buffer_names.Ref(n.buffer), "\n");
  };
  for (const NamedBuffer& n : entry.inputs) bind("input", n);
  for (const NamedBuffer& n : entry.outputs) bind("output", n);
  return out;
}

}  // namespace athanor
