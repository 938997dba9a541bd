#include "cli/json_document.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace athanor {

void PrintDocument(const nlohmann::ordered_json& document) {
  std::printf("%s\n", document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace athanor
