// The layer of word vectors, for graphs made by GraphBuilder.
#ifndef ATHANOR_COMPILER_BUILDER_EMBEDDING_H_
#define ATHANOR_COMPILER_BUILDER_EMBEDDING_H_

#include <string>

#include "compiler/builder/builder.h"

namespace athanor {

struct EmbeddingOptions {
  int64_t num_embeddings = 0;  // rows: ids are in [0, num_embeddings)
  int64_t embedding_dim = 0;
  int64_t padding_idx = -1;    // the row of this id gets no gradient; -1: none
  std::string name = "";       // of the node; empty: "embedding"
  Initializer weight_init = {};  // default: normal(0, 1), as torch.nn.Embedding
};

// ids s32 or s64 of any shape -> f32 of the ids' shape and embedding_dim, by the parameter "<name>.weight"
// [num_embeddings, embedding_dim]. (torch.nn.Embedding also starts the row padding_idx at zero; here it starts as the
// others do.)
Var Embedding(GraphBuilder& b, Var ids, EmbeddingOptions options,
              GraphBuilder::Location where = GraphBuilder::Location::current());

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_EMBEDDING_H_
