// How the commands print JSON.
#ifndef ATHANOR_CLI_JSON_DOCUMENT_H_
#define ATHANOR_CLI_JSON_DOCUMENT_H_

#include <nlohmann/json_fwd.hpp>

namespace athanor {

// To stdout, indented. Bytes of names that are not UTF-8, which JSON cannot hold, become U+FFFD.
void PrintDocument(const nlohmann::ordered_json& document);

}  // namespace athanor

#endif  // ATHANOR_CLI_JSON_DOCUMENT_H_
