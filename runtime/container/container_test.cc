#include "runtime/container/container.h"

#include <xxhash.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "schema/checkpoint_generated.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A checkpoint's table, in a container that says it is a plan: what the sections hold does not matter here.
std::vector<uint8_t> RootOf(absl::string_view name) {
  flatbuffers::FlatBufferBuilder fbb;
  auto name_offset = fbb.CreateString(name.data(), name.size());
  auto named = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::NamedTensor>>());
  auto tensors = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::TensorRef>>());
  fbs::CheckpointBuilder b(fbb);
  b.add_model_name(name_offset);
  b.add_named(named);
  b.add_tensors(tensors);
  fbs::FinishCheckpointBuffer(fbb, b.Finish());
  return std::vector<uint8_t>(fbb.GetBufferPointer(), fbb.GetBufferPointer() + fbb.GetSize());
}

class ContainerTest : public ::testing::Test {
 protected:
  ContainerTest()
      : a_(Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6})),
        b_(Tensor::Of<uint8_t>({0}, {})),
        c_(Tensor::Of<int64_t>({8}, {1, 2, 3, 4, 5, 6, 7, 8})) {
    for (const Tensor* t : {&a_, &b_, &c_}) {
      places_.push_back(
          {t->dtype(), t->shape(), static_cast<uint64_t>(section_.Add(*t)), static_cast<uint64_t>(t->bytes())});
    }
    good_ = *SerializeContainer(FileKind::kPlan, RootOf("athanor"), section_);
  }

  static absl::Status ErrorOf(absl::string_view bytes, FileKind expected = FileKind::kPlan) {
    return ContainerReader::FromBytes(bytes, "f", expected).status();
  }
  // The header's checksum made right again after a change.
  static std::string Sealed(std::string bytes) {
    uint64_t sum = XXH3_64bits(bytes.data(), 56);
    std::memcpy(&bytes[56], &sum, 8);
    return bytes;
  }
  template <typename T>
  std::string With(size_t at, T value) const {
    std::string bytes = good_;
    std::memcpy(&bytes[at], &value, sizeof(value));
    return Sealed(bytes);
  }
  absl::Status TensorError(std::vector<TensorPlace> places) const {
    return ContainerReader::FromBytes(good_, "f", FileKind::kPlan)->ReadTensors(places).status();
  }

  Tensor a_, b_, c_;
  TensorSection section_;
  std::vector<TensorPlace> places_;
  std::string good_;
};

void ExpectError(const absl::Status& status, absl::string_view error_class, const std::string& part) {
  EXPECT_EQ(ErrorClassOf(status), error_class) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

TEST_F(ContainerTest, GivesBackWhatWasWritten) {
  auto reader = ContainerReader::FromBytes(good_, "f", FileKind::kPlan);
  ASSERT_TRUE(reader.ok()) << reader.status();
  auto root = reader->VerifyRoot<fbs::Checkpoint>(fbs::CheckpointIdentifier());
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ((*root)->model_name()->str(), "athanor");
  auto tensors = reader->ReadTensors(places_);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 3u);
  EXPECT_EQ((*tensors)[0].as<float>(), a_.as<float>());
  EXPECT_EQ((*tensors)[1].num_elements(), 0);
  EXPECT_EQ((*tensors)[2].as<int64_t>(), c_.as<int64_t>());
}

TEST_F(ContainerTest, TheLayoutIsAsTheReadmeSays) {
  EXPECT_EQ(good_.substr(0, 8), "ATHANORP");
  EXPECT_EQ(good_.substr(8, 8), std::string("\1\0\0\0\0\0\0\0", 8));
  uint64_t root_bytes, tensor_offset, tensor_bytes;
  std::memcpy(&root_bytes, &good_[16], 8);
  std::memcpy(&tensor_offset, &good_[24], 8);
  std::memcpy(&tensor_bytes, &good_[32], 8);
  EXPECT_EQ(root_bytes, RootOf("athanor").size());
  EXPECT_EQ(tensor_offset, (64 + root_bytes + 63) / 64 * 64);
  EXPECT_EQ(tensor_bytes, 128u);
  EXPECT_EQ(good_.size(), tensor_offset + tensor_bytes);
  EXPECT_EQ(places_[1].offset, 64u);
  EXPECT_EQ(places_[2].offset, 64u);
  EXPECT_EQ(good_.substr(68, 4), "ATHC");
}

TEST_F(ContainerTest, FilesAreAsBytesInMemory) {
  std::string path = ::testing::TempDir() + "/container_test.plan";
  ASSERT_TRUE(WriteContainer(path, FileKind::kPlan, RootOf("athanor"), section_).ok());
  auto reader = ContainerReader::Open(path, FileKind::kPlan);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(reader->ReadTensors(places_).ok());
  EXPECT_EQ(*ReadFileKind(path), FileKind::kPlan);
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), good_);
  in.close();
  // Cut short between opening and reading.
  std::filesystem::resize_file(path, good_.size() - 1);
  ExpectError(reader->ReadTensors(places_).status(), "FORMAT", "having been cut short");
  ExpectError(ContainerReader::Open(path + ".none", FileKind::kPlan).status(), "PATH", "No such file");
  ExpectError(WriteContainer("/proc/none/x", FileKind::kPlan, RootOf(""), section_), "PATH", "/proc/none/x");
  std::filesystem::remove(path);
}

TEST_F(ContainerTest, EveryTruncationIsRefused) {
  for (size_t n = 0; n < good_.size(); ++n) {
    EXPECT_EQ(ErrorClassOf(ErrorOf(good_.substr(0, n))), "FORMAT") << n;
  }
  ExpectError(ErrorOf(""), "FORMAT", "f: is empty, expected an Athanor plan");
  ExpectError(ErrorOf(good_.substr(0, 63)), "FORMAT", "f: ends inside the header, at byte 63 of 64");
  ExpectError(ErrorOf(good_.substr(0, 100)), "FORMAT",
              "f: has 100 bytes, but its header says 192 + 128: it is cut short");
  ExpectError(ErrorOf(good_ + "x"), "FORMAT", "something follows its end");
}

TEST_F(ContainerTest, EveryChangedByteIsFound) {
  for (size_t i = 0; i < good_.size(); ++i) {
    for (int how = 0; how < 4; ++how) {
      std::string bad = good_;
      bad[i] = how == 0 ? bad[i] ^ 1 : how == 1 ? bad[i] ^ 0x80 : how == 2 ? '\0' : '\xff';
      if (bad == good_) continue;
      auto reader = ContainerReader::FromBytes(bad, "f", FileKind::kPlan);
      absl::Status status = reader.ok() ? reader->ReadTensors(places_).status() : reader.status();
      EXPECT_NE(ErrorClassOf(status), "") << "byte " << i << ": " << status;
    }
  }
}

TEST_F(ContainerTest, DamageIsNamed) {
  std::string bad = good_;
  bad[20] ^= 1;
  ExpectError(ErrorOf(bad), "FORMAT", "f: is damaged: the header's checksum differs");
  bad = good_;
  bad[100] ^= 1;
  ExpectError(ErrorOf(bad), "FORMAT", "the checksum of its FlatBuffers section differs");
  bad = *SerializeContainer(FileKind::kCheckpoint, RootOf(""), section_);
  bad[100] ^= 1;
  ExpectError(ErrorOf(bad, FileKind::kCheckpoint), "CKPT", "the checksum of its FlatBuffers section differs");
}

TEST_F(ContainerTest, LaterVersionsAreRefusedAndLaterMinorOnesRead) {
  ExpectError(ErrorOf(With<uint16_t>(8, 2)), "VERSION",
              "f: has the format version 2.0, but this program reads up to 1.x");
  ExpectError(ErrorOf(With<uint16_t>(8, 0)), "FORMAT", "there is no format version 0");
  auto later = ContainerReader::FromBytes(With<uint16_t>(10, 7), "f", FileKind::kPlan);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(later->minor_version(), 7);
}

TEST_F(ContainerTest, SizesAreNotBelieved) {
  for (uint64_t odd : {uint64_t{1}, uint64_t{63}, uint64_t{1} << 29, uint64_t{1} << 31, uint64_t{1} << 62,
                       uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{63}}) {
    for (size_t field : {16, 24, 32}) {
      absl::Status status = ErrorOf(With(field, odd));
      EXPECT_TRUE(ErrorClassOf(status) == "FORMAT" || ErrorClassOf(status) == "LIMIT") << field << " " << odd;
    }
  }
  ExpectError(ErrorOf(With(16, uint64_t{1} << 31)), "LIMIT", "above the limit of 1073741824");
  ExpectError(ErrorOf(With<uint32_t>(12, 1)), "FORMAT", "reserved bytes are set");
}

TEST_F(ContainerTest, OtherFilesAreRecognised) {
  auto is = [](const std::string& bytes) { return std::string(ErrorOf(bytes).message()); };
  EXPECT_EQ(is(*SerializeContainer(FileKind::kModel, RootOf(""), TensorSection())),
            "FORMAT: f: is an Athanor model, expected an Athanor plan");
  EXPECT_THAT(is("ATHANORXxxxxxxxxx"), HasSubstr("is an Athanor file of an unknown kind"));
  EXPECT_THAT(is("\x89PNG\r\n\x1a\n...."), HasSubstr("is a PNG image"));
  EXPECT_THAT(is("\x1f\x8b\x08"), HasSubstr("is gzip data"));
  EXPECT_THAT(is("PK\x03\x04..."), HasSubstr("is a zip archive"));
  EXPECT_THAT(is(std::string("\x80\x04\x95\0\0", 5)), HasSubstr("is a Python pickle, which is never loaded"));
  EXPECT_THAT(is("\x89HDF\r\n\x1a\n"), HasSubstr("is an HDF5 file"));
  EXPECT_THAT(is("\x93NUMPY\1"), HasSubstr("is a NumPy array"));
  EXPECT_THAT(is(std::string("\x40\1\0\0\0\0\0\0{\"a\":", 13)), HasSubstr("is a safetensors file"));
  EXPECT_THAT(is(std::string("\x08\x07\x12\x07pytorch", 11)), HasSubstr("is an ONNX model"));
  EXPECT_THAT(is(std::string("\0\0\x08\x03\0\0\0\x0a", 8)), HasSubstr("is an IDX data file"));
  EXPECT_THAT(is("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("is a Git LFS pointer"));
  EXPECT_THAT(is("graph \"g\" {"), HasSubstr("is the text form of a graph"));
  EXPECT_THAT(is("hello"), HasSubstr("is of no known kind, expected an Athanor plan"));
}

TEST_F(ContainerTest, TensorsLieSideBySide) {
  auto changed = [&](int i, auto change) {
    std::vector<TensorPlace> places = places_;
    change(places[i]);
    return TensorError(places);
  };
  ExpectError(changed(2, [](TensorPlace& p) { p.offset = 0; }), "FORMAT", "f: tensor 2: lies at 0 instead of 64");
  ExpectError(changed(0, [](TensorPlace& p) { p.offset = 64; }), "FORMAT", "tensor 0: lies at 64 instead of 0");
  ExpectError(changed(0, [](TensorPlace& p) { p.bytes = 20; }), "SHAPE", "f32[2,3] has 24 bytes, not 20");
  ExpectError(changed(0, [](TensorPlace& p) { p.shape = {-2, -3}; }), "SHAPE", "negative dimension");
  ExpectError(changed(0, [](TensorPlace& p) { p.shape = {INT64_MAX, 8}; }), "LIMIT", "overflows");
  ExpectError(changed(0, [](TensorPlace& p) { p.shape = Shape(9, 1); }), "SHAPE", "rank 9");
  ExpectError(changed(0, [](TensorPlace& p) { p.dtype = DType::kUndefined; }), "DTYPE", "unknown element type 0");
  ExpectError(changed(2, [](TensorPlace& p) { p.shape = {int64_t{1} << 50}, p.bytes = uint64_t{1} << 53; }), "FORMAT",
              "are beyond the section's 128");
  std::vector<TensorPlace> fewer(places_.begin(), places_.begin() + 2);
  ExpectError(TensorError(fewer), "FORMAT", "the tensors take 64 bytes, but their section has 128");
  std::vector<TensorPlace> more = places_;
  more.push_back({DType::kU8, {1}, 128, 1});
  ExpectError(TensorError(more), "FORMAT", "are beyond the section's 128");
}

TEST_F(ContainerTest, AHugeSharedListOfTablesIsRefusedQuickly) {
  // One list of n tensors, whose entries all point to one table: the verifier counts every visit.
  flatbuffers::FlatBufferBuilder fbb;
  auto table = fbs::CreateNamedTensor(fbb, fbb.CreateString("x"), 0);
  std::vector<flatbuffers::Offset<fbs::NamedTensor>> many(100000, table);
  auto name = fbb.CreateString("");
  auto named = fbb.CreateVector(many);
  auto tensors = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::TensorRef>>());
  fbs::CheckpointBuilder b(fbb);
  b.add_model_name(name);
  b.add_named(named);
  b.add_tensors(tensors);
  fbs::FinishCheckpointBuffer(fbb, b.Finish());
  std::string bytes = *SerializeContainer(FileKind::kPlan, {fbb.GetBufferPointer(), fbb.GetSize()}, TensorSection());
  auto reader = ContainerReader::FromBytes(bytes, "f", FileKind::kPlan);
  ASSERT_TRUE(reader.ok());
  ExpectError(reader->VerifyRoot<fbs::Checkpoint>(fbs::CheckpointIdentifier()).status(), "FORMAT",
              "the FlatBuffers section is malformed");
  ExpectError(reader->VerifyRoot<fbs::Checkpoint>("ATHM").status(), "FORMAT", "malformed");
}

}  // namespace
}  // namespace athanor
