// One meaningful use of each library that tools/setup.sh installs: if this passes, the set-up is whole.

#include <omp.h>
#include <png.h>
#include <toml++/toml.h>
#include <turbojpeg.h>
#include <xxhash.h>
#include <zip.h>
#include <zlib.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "Random123/philox.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "nlohmann/json.hpp"
#include "oneapi/dnnl/dnnl.hpp"
#include "third_party/smoke_test_generated.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<int> Melt(absl::Span<const int> degrees) {
  if (degrees.empty()) return absl::InvalidArgumentError(absl::StrCat("no temperature in ", 0));
  return degrees.back();
}

TEST(ThirdPartySmoke, Absl) {
  const std::vector<int> degrees = {20, 1064};
  EXPECT_EQ(Melt(degrees).value(), 1064);
  EXPECT_THAT(std::string(Melt({}).status().message()), HasSubstr("no temperature"));
  EXPECT_EQ(absl::StrFormat("%05.1f %s", 1.25, "x"), "001.2 x");
  EXPECT_EQ(absl::FormatDuration(absl::Milliseconds(1500)), "1.5s");
}

// C = A B, 2x3 by 3x2, through the run-time library: headers and library are one major version.
TEST(ThirdPartySmoke, OneDnnMultipliesMatrices) {
  ASSERT_EQ(dnnl_version()->major, 3);
  ASSERT_EQ(DNNL_VERSION_MAJOR, 3);
  using dnnl::memory;
  std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {7, 8, 9, 10, 11, 12}, c(4, -1.0f);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc a_desc({2, 3}, memory::data_type::f32, memory::format_tag::ab);
  const memory::desc b_desc({3, 2}, memory::data_type::f32, memory::format_tag::ab);
  const memory::desc c_desc({2, 2}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::matmul matmul(dnnl::matmul::primitive_desc(engine, a_desc, b_desc, c_desc));
  matmul.execute(stream, {{DNNL_ARG_SRC, memory(a_desc, engine, a.data())},
                          {DNNL_ARG_WEIGHTS, memory(b_desc, engine, b.data())},
                          {DNNL_ARG_DST, memory(c_desc, engine, c.data())}});
  stream.wait();
  EXPECT_THAT(c, ElementsAre(58.0f, 64.0f, 139.0f, 154.0f));
}

TEST(ThirdPartySmoke, OpenMpReduces) {
  int sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(4)
  for (int i = 1; i <= 100; ++i) sum += i;
  EXPECT_EQ(sum, 5050);
  EXPECT_GE(omp_get_max_threads(), 1);
}

TEST(ThirdPartySmoke, FlatBuffersRoundTrip) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<double> temperatures = {20.0, 1064.18};
  builder.Finish(
      smoke::CreateCrucibleDirect(builder, "aludel", smoke::Metal::Gold, &temperatures));

  flatbuffers::Verifier verifier(builder.GetBufferPointer(), builder.GetSize());
  ASSERT_TRUE(smoke::VerifyCrucibleBuffer(verifier));
  const smoke::Crucible* crucible = smoke::GetCrucible(builder.GetBufferPointer());
  EXPECT_EQ(crucible->name()->str(), "aludel");
  EXPECT_EQ(crucible->metal(), smoke::Metal::Gold);
  EXPECT_EQ(crucible->temperatures()->Get(1), 1064.18);
}

// The vector that the authors of Philox publish for a key and a counter of zeros.
TEST(ThirdPartySmoke, Random123Philox) {
  const r123::Philox4x32_R<10>::ctr_type out =
      r123::Philox4x32_R<10>()(r123::Philox4x32::ctr_type{}, r123::Philox4x32::key_type{});
  EXPECT_THAT((std::vector<uint32_t>{out[0], out[1], out[2], out[3]}),
              ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
}

TEST(ThirdPartySmoke, XxhashOfNothing) {
  EXPECT_EQ(XXH64("", 0, 0), 0xef46db3751d8e999ull);
  EXPECT_EQ(XXH3_64bits("", 0), 0x2d06800538d394c2ull);
}

TEST(ThirdPartySmoke, ZlibCrc) {
  EXPECT_EQ(crc32(0, reinterpret_cast<const Bytef*>("123456789"), 9), 0xcbf43926ul);
}

TEST(ThirdPartySmoke, PngHeadersMatchLibrary) {
  EXPECT_EQ(png_access_version_number(), static_cast<png_uint_32>(PNG_LIBPNG_VER));
}

TEST(ThirdPartySmoke, HighwaySeesThisCpu) {
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  ASSERT_FALSE(targets.empty());
  EXPECT_STRNE(hwy::TargetName(targets.front()), "Unknown");
}

TEST(ThirdPartySmoke, Cli11ParsesSubcommand) {
  CLI::App app;
  int epochs = 0;
  CLI::App* train = app.add_subcommand("train");
  train->add_option("--epochs", epochs);
  const std::array<const char*, 4> arguments = {"athanor", "train", "--epochs", "3"};
  app.parse(static_cast<int>(arguments.size()), arguments.data());
  EXPECT_TRUE(train->parsed());
  EXPECT_EQ(epochs, 3);
}

TEST(ThirdPartySmoke, JsonParses) {
  const nlohmann::json json = nlohmann::json::parse(R"({"shape": [2, 3], "dtype": "f32"})");
  EXPECT_EQ(json["shape"].get<std::vector<int>>(), (std::vector<int>{2, 3}));
  EXPECT_EQ(json["dtype"], "f32");
}

TEST(ThirdPartySmoke, TomlKnowsLines) {
  const toml::table table = toml::parse("epochs = 3\n\nlr = 0.5\n");
  EXPECT_EQ(table["epochs"].value<int>(), 3);
  EXPECT_EQ(table["lr"].node()->source().begin.line, 3u);
}

TEST(ThirdPartySmoke, TurboJpegMakesADecoder) {
  tjhandle decoder = tjInitDecompress();
  ASSERT_NE(decoder, nullptr);
  EXPECT_EQ(tjDestroy(decoder), 0);
}

TEST(ThirdPartySmoke, ZipSaysWhatIsWrong) {
  int error = 0;
  EXPECT_EQ(zip_open("/dev/null/none.zip", ZIP_RDONLY, &error), nullptr);
  EXPECT_NE(error, 0);
}

}  // namespace
}  // namespace athanor
