#include "compiler/builder/embedding.h"

namespace athanor {

Var Embedding(GraphBuilder& b, Var ids, EmbeddingOptions o, GraphBuilder::Location where) {
  if (o.name.empty()) o.name = "embedding";
  if (o.weight_init.kind.empty()) o.weight_init = {"normal", {{"mean", 0.0}, {"std", 1.0}}};
  Var weight = b.Parameter(o.name + ".weight", {o.num_embeddings, o.embedding_dim}, o.weight_init, where);
  return b.Op("Embedding", {weight, ids}, {{"padding_idx", o.padding_idx}}, 1, o.name, where)[0];
}

}  // namespace athanor
