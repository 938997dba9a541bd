#include <limits>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/graph/text.h"
#include "compiler/graph/text_lexer.h"
#include "compiler/program/text.h"

namespace athanor {
namespace {

using internal::TextLexer;

class Parser {
 public:
  explicit Parser(absl::string_view text) : in_(text, "program text") {}

  absl::StatusOr<Program> Parse() {
    ATH_RETURN_IF_ERROR(Head());
    while (!in_.AtEnd()) ATH_RETURN_IF_ERROR(Statement());
    for (const LateReference& r : late_) {
      ATH_ASSIGN_OR_RETURN(e().buffers[r.buffer].*r.field, Find(buffer_names_, r.name, r.position));
    }
    return std::move(program_);
  }

 private:
  // Names to numbers; kAmbiguous for a name of two.
  using NameTable = std::unordered_map<std::string, int>;
  static constexpr int kAmbiguous = -1;

  // A buffer may name one that comes later.
  struct LateReference {
    size_t position;
    std::string name;
    size_t buffer;
    BufferId Buffer::*field;
  };

  Entry& e() { return program_.entry; }

  absl::Status Head() {
    if (!in_.TryKeyword("program")) return in_.Error("a program begins with \"program\"");
    ATH_RETURN_IF_ERROR(in_.String("the entry's name", &e().name));
    while (true) {
      if (TryField("symbols")) {
        ATH_RETURN_IF_ERROR(Symbols());
      } else if (TryField("arena")) {
        ATH_RETURN_IF_ERROR(Number(&e().arena_bytes));
      } else if (TryField("reorders")) {
        ATH_RETURN_IF_ERROR(Number(&e().reorders));
      } else {
        return absl::OkStatus();
      }
    }
  }

  absl::Status Symbols() {
    ATH_RETURN_IF_ERROR(in_.Expect("{"));
    do {
      std::string name;
      ATH_RETURN_IF_ERROR(in_.Name("a symbol", &name));
      ATH_RETURN_IF_ERROR(in_.Expect("="));
      ATH_RETURN_IF_ERROR(Number(&e().symbols[name]));
    } while (in_.TryToken(","));
    return in_.Expect("}");
  }

  absl::Status Statement() {
    if (in_.TryKeyword("variable")) return ParseVariable();
    if (in_.TryKeyword("buffer")) return ParseBuffer();
    if (in_.TryKeyword("call")) return ParseCall();
    if (in_.TryKeyword("input")) return Binding(&e().inputs);
    if (in_.TryKeyword("output")) return Binding(&e().outputs);
    return in_.Error("expected variable, buffer, call, input, output, or a field of what stands before");
  }

  absl::Status ParseVariable() {
    Variable& v = program_.variables.emplace_back();
    ATH_RETURN_IF_ERROR(Declared(&variable_names_, program_.variables.size() - 1, &v.name));
    ATH_RETURN_IF_ERROR(Choice({"parameter", "state", "constant"}, &v.kind));
    ATH_RETURN_IF_ERROR(Desc(&v.desc));
    while (true) {
      if (TryField("bytes")) {
        ATH_RETURN_IF_ERROR(Number(&v.bytes));
      } else if (TryField("offset")) {
        ATH_RETURN_IF_ERROR(Number(&v.offset));
      } else {
        return absl::OkStatus();
      }
    }
  }

  absl::Status ParseBuffer() {
    Buffer& b = e().buffers.emplace_back();
    ATH_RETURN_IF_ERROR(Declared(&buffer_names_, e().buffers.size() - 1, &b.name));
    ATH_RETURN_IF_ERROR(Choice({"temporary", "input", "output", "variable"}, &b.kind));
    ATH_RETURN_IF_ERROR(Desc(&b.desc));
    while (true) {
      if (TryField("bytes")) {
        ATH_RETURN_IF_ERROR(Number(&b.bytes));
      } else if (TryField("offset")) {
        ATH_RETURN_IF_ERROR(Number(&b.offset));
      } else if (TryField("of")) {
        ATH_RETURN_IF_ERROR(Ref("@", variable_names_, &b.variable));
      } else if (TryField("alias_of")) {
        ATH_RETURN_IF_ERROR(LateRef(&Buffer::alias_of));
      } else if (TryField("layout_like")) {
        ATH_RETURN_IF_ERROR(LateRef(&Buffer::layout_like));
      } else {
        return absl::OkStatus();
      }
    }
  }

  absl::Status ParseCall() {
    KernelCall& c = e().calls.emplace_back();
    ATH_RETURN_IF_ERROR(Refs(&c.outputs));
    ATH_RETURN_IF_ERROR(in_.Expect("="));
    ATH_RETURN_IF_ERROR(in_.Name("a kernel's name", &c.kernel));
    ATH_RETURN_IF_ERROR(Refs(&c.inputs));
    while (true) {
      if (TryField("name")) {
        ATH_RETURN_IF_ERROR(in_.String("a node's name", &c.name));
      } else if (TryField("attrs")) {
        ATH_RETURN_IF_ERROR(in_.Attrs(&c.attrs));
      } else if (TryField("post_ops")) {
        ATH_RETURN_IF_ERROR(PostOps(&c.post_ops));
      } else if (TryField("threads")) {
        ATH_RETURN_IF_ERROR(Number(&c.threads));
      } else if (TryField("scratch")) {
        ATH_RETURN_IF_ERROR(Number(&c.scratch_bytes));
        if (in_.TryToken("@")) ATH_RETURN_IF_ERROR(Number(&c.scratch_offset));
      } else if (TryField("impl")) {
        ATH_RETURN_IF_ERROR(in_.String("what the kernel said", &c.impl));
      } else if (TryField("flops")) {
        ATH_RETURN_IF_ERROR(Double(&c.flops));
      } else if (TryField("bytes")) {
        ATH_RETURN_IF_ERROR(Double(&c.bytes));
      } else {
        return absl::OkStatus();
      }
    }
  }

  absl::Status PostOps(std::vector<PostOp>* post_ops) {
    ATH_RETURN_IF_ERROR(in_.Expect("["));
    do {
      PostOp& op = post_ops->emplace_back();
      ATH_RETURN_IF_ERROR(in_.Name("a post-op", &op.op));
      if (in_.TryToken("(")) {
        ATH_RETURN_IF_ERROR(Number(&op.operand));
        ATH_RETURN_IF_ERROR(in_.Expect(")"));
      }
      if (in_.Peek() == '{') ATH_RETURN_IF_ERROR(in_.Attrs(&op.attrs));
    } while (in_.TryToken(","));
    return in_.Expect("]");
  }

  absl::Status Binding(std::vector<NamedBuffer>* list) {
    NamedBuffer& n = list->emplace_back();
    ATH_RETURN_IF_ERROR(in_.Name("the name of an input or output", &n.name));
    ATH_RETURN_IF_ERROR(in_.Expect("="));
    return Ref("%", buffer_names_, &n.buffer);
  }

  // `key` and "=". A word that is no field of the statement begins the next one.
  bool TryField(absl::string_view key) { return in_.TryKeyword(key) && in_.TryToken("="); }

  absl::Status Declared(NameTable* names, size_t number, std::string* name) {
    ATH_RETURN_IF_ERROR(in_.Name("a name", name));
    auto [at, is_new] = names->emplace(*name, static_cast<int>(number));
    if (!is_new) at->second = kAmbiguous;
    return in_.Expect(":");
  }

  template <typename Kind>
  absl::Status Choice(std::initializer_list<absl::string_view> choices, Kind* kind) {
    int i = 0;
    for (absl::string_view choice : choices) {
      *kind = static_cast<Kind>(i++);
      if (in_.TryKeyword(choice)) return absl::OkStatus();
    }
    return in_.Error(absl::StrCat("expected one of ", absl::StrJoin(choices, ", ")));
  }

  absl::Status Desc(MemoryDesc* desc) {
    size_t start = in_.position();
    std::string text(in_.Atom());
    ATH_RETURN_IF_ERROR(in_.Expect("["));
    text += "[";
    while (!in_.TryToken("]")) {
      absl::StrAppend(&text, in_.Atom());
      if (in_.TryToken(",")) {
        text += ",";
      } else if (in_.Peek() != ']') {
        return in_.Error("expected \",\" or \"]\" in the dimensions");
      }
    }
    ATH_RETURN_IF_ERROR(in_.Expect(":"));
    auto parsed = MemoryDesc::Parse(absl::StrCat(text, "]:", in_.Atom()));
    if (!parsed.ok()) return in_.ErrorAt(start, "expected a memory descriptor such as f32[2,3]:ab");
    *desc = *std::move(parsed);
    return absl::OkStatus();
  }

  template <typename Int>
  absl::Status Number(Int* out) {
    size_t start = in_.position();
    int64_t v = 0;
    ATH_RETURN_IF_ERROR(in_.Integer("a number", &v));
    if (v < std::numeric_limits<Int>::min() || v > std::numeric_limits<Int>::max()) {
      return in_.ErrorAt(start, absl::StrCat(v, " is out of range"));
    }
    *out = static_cast<Int>(v);
    return absl::OkStatus();
  }

  absl::Status Double(double* out) {
    size_t start = in_.position();
    if (internal::ParseElement(in_.Atom(), DType::kF64, out)) return absl::OkStatus();
    return in_.ErrorAt(start, "expected a number");
  }

  // Either *number or *name.
  absl::Status NumberOrName(absl::string_view sigil, int* number, std::string* name) {
    ATH_RETURN_IF_ERROR(in_.Expect(sigil));
    if (absl::ascii_isdigit(in_.Peek()) || in_.Peek() == '-') return Number(number);
    ATH_RETURN_IF_ERROR(in_.Name("a name or number", name));
    return name->empty() ? in_.Error("before this, an empty name refers to nothing") : absl::OkStatus();
  }

  absl::StatusOr<int> Find(const NameTable& names, const std::string& name, size_t position) const {
    auto at = names.find(name);
    if (at != names.end() && at->second != kAmbiguous) return at->second;
    return in_.ErrorAt(position, absl::StrCat(at == names.end() ? "there is no \"" : "there are two of the name \"",
                                              absl::CHexEscape(name), "\""));
  }

  absl::Status Ref(absl::string_view sigil, const NameTable& names, int* out) {
    size_t start = in_.position();
    std::string name;
    int number = 0;
    ATH_RETURN_IF_ERROR(NumberOrName(sigil, &number, &name));
    if (name.empty()) {
      *out = number;
      return absl::OkStatus();
    }
    ATH_ASSIGN_OR_RETURN(*out, Find(names, name, start));
    return absl::OkStatus();
  }

  // Of the last buffer.
  absl::Status LateRef(BufferId Buffer::*field) {
    LateReference r{in_.position(), "", e().buffers.size() - 1, field};
    ATH_RETURN_IF_ERROR(NumberOrName("%", &(e().buffers.back().*field), &r.name));
    if (!r.name.empty()) late_.push_back(std::move(r));
    return absl::OkStatus();
  }

  absl::Status Refs(std::vector<BufferId>* ids) {
    ATH_RETURN_IF_ERROR(in_.Expect("("));
    if (in_.TryToken(")")) return absl::OkStatus();
    do {
      ATH_RETURN_IF_ERROR(Ref("%", buffer_names_, &ids->emplace_back()));
    } while (in_.TryToken(","));
    return in_.Expect(")");
  }

  TextLexer in_;
  Program program_;
  NameTable buffer_names_, variable_names_;
  std::vector<LateReference> late_;
};

}  // namespace

absl::StatusOr<Program> ParseProgram(absl::string_view text) { return Parser(text).Parse(); }

}  // namespace athanor
