#ifndef ATHANOR_CLI_VERSION_H_
#define ATHANOR_CLI_VERSION_H_

namespace athanor {

inline constexpr char kAthanorVersion[] = "0.1.0";

}  // namespace athanor

#endif  // ATHANOR_CLI_VERSION_H_
