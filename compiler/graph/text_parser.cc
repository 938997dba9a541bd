#include <cstring>
#include <limits>
#include <optional>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "compiler/graph/text_lexer.h"

namespace athanor {
namespace {

constexpr size_t kMaxTextBytes = std::numeric_limits<int32_t>::max();  // so that ValueIds cannot overflow

class Parser {
 public:
  Parser(absl::string_view text, const Blobs* blobs, absl::string_view name) : lex_(text, name), blobs_(blobs) {}

  absl::StatusOr<Graph> Parse() {
    if (!lex_.TryKeyword("graph")) return lex_.Error("expected \"graph\"");
    ATH_RETURN_IF_ERROR(lex_.String("the graph's name", &graph_.name));
    ATH_RETURN_IF_ERROR(lex_.Expect("{"));
    if (lex_.TryKeyword("metadata")) ATH_RETURN_IF_ERROR(lex_.Attrs(&graph_.metadata));
    while (!lex_.TryToken("}")) ATH_RETURN_IF_ERROR(Statement());
    if (!lex_.AtEnd()) return lex_.Error("text behind the graph's end");
    return std::move(graph_);
  }

 private:
  struct Result {
    std::optional<std::string> name;  // none: "_"
    size_t position;
  };

  absl::Status Statement() {
    if (lex_.TryKeyword("entry")) return EntryLine();
    std::vector<Result> results;
    if (!lex_.TryToken("()")) {
      char c = lex_.Peek();
      if (c != '%' && c != '_') return lex_.Error("expected a value, a node, an entry or \"}\"");
      do {
        results.push_back({std::nullopt, lex_.position()});
        if (!lex_.TryKeyword("_")) ATH_RETURN_IF_ERROR(lex_.ValueName(&results.back().name.emplace()));
      } while (lex_.TryToken(","));
    }
    if (results.size() == 1 && results[0].name && lex_.TryToken(":")) return Declaration(results[0]);
    return NodeLine(results);
  }

  absl::StatusOr<ValueId> Define(const Result& result, Value v) {
    v.name = *result.name;
    ValueId id = static_cast<ValueId>(graph_.values.size());
    if (!ids_.emplace(v.name, id).second) {
      return lex_.ErrorAt(result.position, absl::StrCat("value %", absl::CHexEscape(v.name), " is defined twice"));
    }
    graph_.values.push_back(std::move(v));
    return id;
  }

  absl::Status Ref(ValueId* out) {
    if (lex_.TryKeyword("_")) {
      *out = kNoValue;
      return absl::OkStatus();
    }
    size_t at = lex_.position();
    ATH_RETURN_IF_ERROR(lex_.ValueName(&scratch_));
    auto it = ids_.find(scratch_);
    if (it == ids_.end()) {
      return lex_.ErrorAt(at, absl::StrCat("value %", absl::CHexEscape(scratch_), " is not defined before this"));
    }
    *out = it->second;
    return absl::OkStatus();
  }

  absl::Status Refs(std::vector<ValueId>* out) {
    ATH_RETURN_IF_ERROR(lex_.Expect("("));
    if (lex_.TryToken(")")) return absl::OkStatus();
    do {
      ATH_RETURN_IF_ERROR(Ref(&out->emplace_back()));
    } while (lex_.TryToken(","));
    return lex_.Expect(")");
  }

  absl::Status Type(TensorType* out) {
    size_t at = lex_.position();
    ATH_RETURN_IF_ERROR(lex_.Name("an element type", &scratch_));
    auto dtype = ParseDType(scratch_);
    if (!dtype && scratch_ != DTypeName(DType::kUndefined)) {
      return lex_.ErrorAt(at, absl::StrCat("unknown element type \"", absl::CHexEscape(scratch_), "\""));
    }
    out->dtype = dtype.value_or(DType::kUndefined);
    ATH_RETURN_IF_ERROR(lex_.Expect("["));
    if (lex_.TryToken("]")) return absl::OkStatus();
    do {
      char c = lex_.Peek();
      Dim& dim = out->dims.emplace_back();
      if (c == '-' || absl::ascii_isdigit(c)) {
        ATH_RETURN_IF_ERROR(lex_.Integer("a dimension", &dim.size));
        continue;
      }
      size_t symbol_at = lex_.position();
      ATH_RETURN_IF_ERROR(lex_.Name("a dimension", &dim.symbol));
      if (dim.symbol.empty()) return lex_.ErrorAt(symbol_at, "a dimension's name is empty");
    } while (lex_.TryToken(","));
    return lex_.Expect("]");
  }

  absl::Status Declaration(const Result& result) {
    Value v;
    if (lex_.TryKeyword("input")) {
      v.kind = ValueKind::kInput;
    } else if (lex_.TryKeyword("parameter")) {
      v.kind = ValueKind::kParameter;
    } else if (lex_.TryKeyword("state")) {
      v.kind = ValueKind::kState;
    } else if (lex_.TryKeyword("constant")) {
      v.kind = ValueKind::kConstant;
    } else if (!lex_.TryKeyword("value")) {
      return lex_.Error("expected input, parameter, state, constant or value");
    }
    ATH_RETURN_IF_ERROR(Type(&v.type));
    bool more = lex_.TryToken("=");
    if (more && lex_.Peek() != '[' && !AtBlob()) {
      ATH_RETURN_IF_ERROR(lex_.Name("an initialiser or data", &v.init.kind));
      if (lex_.Peek() == '{') ATH_RETURN_IF_ERROR(lex_.Attrs(&v.init.attrs));
      more = lex_.TryToken("=");
    }
    if (more) ATH_RETURN_IF_ERROR(Data(v.type, &v.data));
    return Define(result, std::move(v)).status();
  }

  bool AtBlob() {
    internal::TextLexer ahead = lex_;
    return ahead.TryToken("blob#");
  }

  absl::Status Data(const TensorType& type, std::shared_ptr<const Tensor>* out) {
    size_t at = lex_.position();
    if (type.dtype == DType::kUndefined || !type.concrete()) {
      return lex_.ErrorAt(at, absl::StrCat("data for the type ", type.ToString(), ", which is not fixed"));
    }
    if (lex_.TryToken("blob#")) return Blob(type, at, out);
    ATH_RETURN_IF_ERROR(lex_.Expect("["));
    const size_t size = DTypeSize(type.dtype);
    std::string bytes;
    while (!lex_.TryToken("]")) {
      if (!bytes.empty()) ATH_RETURN_IF_ERROR(lex_.Expect(","));
      size_t element_at = lex_.position();
      char element[8];
      absl::string_view atom = lex_.Atom(/*parens=*/true);
      if (!internal::ParseElement(atom, type.dtype, element)) {
        return lex_.ErrorAt(element_at, absl::StrCat("\"", atom, "\" is no element of ", DTypeName(type.dtype)));
      }
      bytes.append(element, size);
    }
    // The count is compared before memory is taken for the type.
    auto expected = NumElements(type.shape());
    if (!expected.ok()) return AddContext(expected.status(), lex_.Place(at));
    if (static_cast<int64_t>(bytes.size() / size) != *expected) {
      return lex_.ErrorAt(
          at, absl::StrCat(bytes.size() / size, " elements for the type ", type.ToString(), " of ", *expected),
          ErrorClass::kShape);
    }
    ATH_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Create(type.dtype, type.shape()));
    if (!bytes.empty()) std::memcpy(tensor.data(), bytes.data(), bytes.size());
    *out = std::make_shared<const Tensor>(std::move(tensor));
    return absl::OkStatus();
  }

  absl::Status Blob(const TensorType& type, size_t at, std::shared_ptr<const Tensor>* out) {
    absl::string_view digits = lex_.Atom();
    uint64_t hash;
    if (digits.size() != 16 || !absl::SimpleHexAtoi(digits, &hash)) {
      return lex_.ErrorAt(at, "expected 16 hexadecimal digits behind \"blob#\"");
    }
    auto it = blobs_ == nullptr ? Blobs::const_iterator() : blobs_->find(hash);
    if (blobs_ == nullptr || it == blobs_->end()) {
      return lex_.ErrorAt(at, absl::StrCat("the data of blob#", digits, " is not there"));
    }
    const Tensor& tensor = *it->second;
    if (TensorType::Of(tensor.dtype(), tensor.shape()) != type) {
      return lex_.ErrorAt(at,
                          absl::StrCat("blob#", digits, " is ", DTypeName(tensor.dtype()),
                                       ShapeToString(tensor.shape()), ", not ", type.ToString()),
                          ErrorClass::kShape);
    }
    *out = it->second;
    return absl::OkStatus();
  }

  absl::Status PostOps(Node* node) {
    ATH_RETURN_IF_ERROR(lex_.Expect("["));
    do {
      PostOp& p = node->post_ops.emplace_back();
      ATH_RETURN_IF_ERROR(lex_.Name("a post-op", &p.op));
      if (lex_.TryToken("(")) {
        if (lex_.TryToken("#")) {
          size_t at = lex_.position();
          int64_t operand;
          ATH_RETURN_IF_ERROR(lex_.Integer("an input's index", &operand));
          if (operand < 0 || operand > std::numeric_limits<int>::max()) {
            return lex_.ErrorAt(at, absl::StrCat("an input's index cannot be ", operand));
          }
          p.operand = static_cast<int>(operand);
        } else {
          p.operand = static_cast<int>(node->inputs.size());
          ATH_RETURN_IF_ERROR(Ref(&node->inputs.emplace_back()));
        }
        ATH_RETURN_IF_ERROR(lex_.Expect(")"));
      }
      if (lex_.Peek() == '{') ATH_RETURN_IF_ERROR(lex_.Attrs(&p.attrs));
    } while (lex_.TryToken(","));
    return lex_.Expect("]");
  }

  absl::Status NodeLine(const std::vector<Result>& results) {
    Node node;
    ATH_RETURN_IF_ERROR(lex_.Expect("="));
    ATH_RETURN_IF_ERROR(lex_.Name("an operator", &node.op));
    ATH_RETURN_IF_ERROR(Refs(&node.inputs));
    if (lex_.Peek() == '{') ATH_RETURN_IF_ERROR(lex_.Attrs(&node.attrs));
    if (lex_.TryKeyword("post_ops")) ATH_RETURN_IF_ERROR(PostOps(&node));
    if (lex_.TryToken("@")) ATH_RETURN_IF_ERROR(lex_.String("the node's name", &node.name));
    std::vector<Value> values(results.size());
    if (lex_.TryToken(":")) ATH_RETURN_IF_ERROR(ResultTypes(results, &values));
    for (size_t i = 0; i < results.size(); ++i) {
      ValueId id = kNoValue;
      if (results[i].name) {
        ATH_ASSIGN_OR_RETURN(id, Define(results[i], std::move(values[i])));
      }
      node.outputs.push_back(id);
    }
    ATH_RETURN_IF_ERROR(lex_.TrailingComment(&node.where));
    graph_.nodes.push_back(std::move(node));
    return absl::OkStatus();
  }

  absl::Status ResultTypes(const std::vector<Result>& results, std::vector<Value>* values) {
    for (size_t i = 0; i < results.size(); ++i) {
      if (i > 0) ATH_RETURN_IF_ERROR(lex_.Expect(","));
      if (!results[i].name) {
        ATH_RETURN_IF_ERROR(lex_.Expect("_"));
      } else {
        ATH_RETURN_IF_ERROR(Type(&(*values)[i].type));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Bindings(std::vector<NamedValue>* out) {
    ATH_RETURN_IF_ERROR(lex_.Expect("("));
    if (lex_.TryToken(")")) return absl::OkStatus();
    do {
      NamedValue& v = out->emplace_back();
      ATH_RETURN_IF_ERROR(lex_.Name("a name", &v.name));
      ATH_RETURN_IF_ERROR(lex_.Expect("="));
      ATH_RETURN_IF_ERROR(Ref(&v.value));
    } while (lex_.TryToken(","));
    return lex_.Expect(")");
  }

  absl::Status EntryLine() {
    GraphEntry e;
    ATH_RETURN_IF_ERROR(lex_.String("the entry's name", &e.name));
    e.training = lex_.TryKeyword("training");
    ATH_RETURN_IF_ERROR(Bindings(&e.inputs));
    ATH_RETURN_IF_ERROR(lex_.Expect("->"));
    ATH_RETURN_IF_ERROR(Bindings(&e.outputs));
    if (lex_.TryKeyword("loss")) ATH_RETURN_IF_ERROR(Ref(&e.loss));
    if (lex_.TryKeyword("update")) {
      ATH_RETURN_IF_ERROR(lex_.Expect("("));
      do {
        auto& update = e.updates.emplace_back();
        ATH_RETURN_IF_ERROR(Ref(&update.first));
        ATH_RETURN_IF_ERROR(lex_.Expect("<-"));
        ATH_RETURN_IF_ERROR(Ref(&update.second));
      } while (lex_.TryToken(","));
      ATH_RETURN_IF_ERROR(lex_.Expect(")"));
    }
    graph_.entries.push_back(std::move(e));
    return absl::OkStatus();
  }

  internal::TextLexer lex_;
  const Blobs* blobs_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> ids_;
  std::string scratch_;
};

}  // namespace

absl::StatusOr<Graph> ParseGraph(absl::string_view text, const Blobs* blobs, absl::string_view name) {
  if (text.size() > kMaxTextBytes) {
    return MakeError(ErrorClass::kLimit, "%s: %d bytes are above the limit of %d", name, text.size(), kMaxTextBytes);
  }
  return Parser(text, blobs, name).Parse();
}

}  // namespace athanor
