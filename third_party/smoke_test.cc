#include <gtest/gtest.h>
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "oneapi/dnnl/dnnl.hpp"
TEST(Smoke, T) {
  absl::StatusOr<int> a = 3;
  EXPECT_EQ(absl::StrFormat("%d", *a), "3");
  EXPECT_EQ(dnnl_version()->major, 3);
}
