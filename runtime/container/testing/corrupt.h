// Damages the bytes of a container in every place, for tests of the readers.
#ifndef ATHANOR_RUNTIME_CONTAINER_TESTING_CORRUPT_H_
#define ATHANOR_RUNTIME_CONTAINER_TESTING_CORRUPT_H_

#include <cstddef>
#include <functional>
#include <string>

namespace athanor {

// Makes the three checksums of a container right. The sizes in its header must fit its bytes.
void Reseal(std::string* bytes);

// Calls `f` with each byte behind the magic changed in turn: one bit, the top bit, to 0x00, to 0xFF, by one up;
// resealed, so that what lies behind the checksums is tested. `at` is the byte's position.
void ForEachCorruption(const std::string& good, const std::function<void(const std::string& bad, size_t at)>& f);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CONTAINER_TESTING_CORRUPT_H_
