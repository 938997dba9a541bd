// The text form of a graph: what --dump-after and `export --text` write, and what pass tests are written in. It prints
// and parses; ToText(Parse(ToText(g))) == ToText(g).
//
//   graph "lenet5" {
//     metadata {classes=["0","1"]}
//     %x : input f32[N,1,28,28]
//     %conv1.weight : parameter f32[6,1,5,5] = kaiming_uniform{fan="in"}
//     %bn.mean : state f32[6] = zeros
//     %half : constant f32[] = [0.5]
//     %h, _ = Conv2d(%x, %conv1.weight, _) {strides=[1,1]} post_ops [ReLU{alpha=0.0}, Add(%res)] @"conv1"
//         : f32[N,6,24,24], _ ; lenet.cc:41
//     entry "train" training (x=%x) -> (loss=%loss, logits=%h) loss %loss update (%w <- %w.next)
//   }
//
// Grammar (spaces and line ends separate tokens and mean nothing else; ";" begins a comment up to the line's end):
//   graph     = "graph" string "{" ["metadata" attrs] {variable | node | entry} "}"
//   variable  = value ":" kind type ["=" init] ["=" data]
//   kind      = "input" | "parameter" | "state" | "constant" | "value"      (value: produced by no node)
//   init      = name [attrs]
//   data      = "[" [number {"," number}] "]" | "blob#" 16 hex digits       (row-major elements; see InlineData)
//   node      = (results | "()") "=" name "(" [refs] ")" [attrs] [post_ops] ["@" string] [":" types] [where]
//   results, refs = ref {"," ref};  ref = value | "_"                       (_: absent)
//   types     = (type | "_") {"," (type | "_")}                             (one for each result)
//   post_ops  = "post_ops" "[" post_op {"," post_op} "]"
//   post_op   = name ["(" (ref | "#" integer) ")"] [attrs]                  (a binary one reads ref, which becomes an
//               input behind the operator's own, or the input with that index)
//   where     = "; " text, on the node's last line                         (a comment elsewhere)
//   entry     = "entry" string ["training"] "(" [bindings] ")" "->" "(" [bindings] ")" ["loss" ref]
//               ["update" "(" value "<-" ref {"," value "<-" ref} ")"]
//   bindings  = name "=" ref {"," name "=" ref}
//   type      = dtype "[" [dim {"," dim}] "]";  dim = integer | name
//   attrs     = "{" [name "=" attribute {"," name "=" attribute}] "}"       (attribute: see AttrToString)
//   value     = "%" (one or more of [A-Za-z0-9_./$] | string)
//   name      = [A-Za-z_][A-Za-z0-9_./$]* | string
//   string    = '"' C escapes '"'
// A value is declared before it is read. Elements of floating data may be inf, -inf, nan and nan(0xBITS).
#ifndef ATHANOR_COMPILER_GRAPH_TEXT_H_
#define ATHANOR_COMPILER_GRAPH_TEXT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "compiler/graph/graph.h"

namespace athanor {

enum class InlineData {
  kSmall,  // up to 64 elements; a larger tensor is named by its hash (BlobHash)
  kAll,    // every element, with the digits needed to read back the same one
};

struct TextOptions {
  InlineData inline_data = InlineData::kSmall;
  bool metadata = true;
  bool where = true;
  bool variable_data = true;  // of parameters and state; the data of constants is always there
};

// Total: prints also graphs that verify would refuse (they need not parse back).
std::string ToText(const Graph& graph, const TextOptions& options = {});

// XXH3 of the tensor's type and bytes.
uint64_t BlobHash(const Tensor& tensor);
using Blobs = std::map<uint64_t, std::shared_ptr<const Tensor>>;
// The tensors that kSmall does not print, by their hash.
Blobs CollectBlobs(const Graph& graph);

// FORMAT error with line and column, after `name`. `blobs` holds the tensors that the text names by their hash; null:
// none. Says nothing of whether the graph makes sense: see verify.h. Nothing is allocated that the text does not hold.
absl::StatusOr<Graph> ParseGraph(absl::string_view text, const Blobs* blobs = nullptr,
                                 absl::string_view name = "graph text");

// XXH3 of the structure: names, types, operators, attributes, entries, constants; not the metadata, the variables'
// data or source positions. Equal for a model before and after training. Plan::model_hash.
uint64_t HashGraph(const Graph& graph);

namespace internal {
// One element's text, and the reverse (which returns false for a text that is no element of this type).
std::string ElementToString(DType dtype, const void* element);
bool ParseElement(absl::string_view text, DType dtype, void* element);
}  // namespace internal

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRAPH_TEXT_H_
