#include "data/normalize_spec.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "data/parallel.h"
#include "data/sample_room.h"

namespace athanor {
namespace {

absl::Status BadSpec(absl::string_view text, absl::string_view why) {
  return MakeError(ErrorClass::kReq,
                   "normalization \"%s\": %s; there are none, scale255, standardize and MEAN/STD, such as "
                   "0.1307/0.3081 or 0.49,0.48,0.45/0.25,0.24,0.26",
                   text, why);
}

absl::StatusOr<std::vector<float>> ParseFloats(absl::string_view list, absl::string_view text) {
  std::vector<float> values;
  for (absl::string_view part : absl::StrSplit(list, ',')) {
    values.push_back(0);
    if (!absl::SimpleAtof(part, &values.back()) || !std::isfinite(values.back())) {
      return BadSpec(text, absl::StrCat("\"", part, "\" is no number"));
    }
  }
  return values;
}

struct Sums {
  std::vector<uint64_t> sum, squares;  // of each channel
};

Normalization FromSums(const Sums& sums, uint64_t count) {
  Normalization norm = Normalization::ScaleBy255();
  for (size_t c = 0; c < sums.sum.size(); ++c) {
    using Wide = unsigned __int128;
    // n^2 times the variance, without rounding.
    const Wide spread = Wide{count} * sums.squares[c] - Wide{sums.sum[c]} * sums.sum[c];
    const double n = static_cast<double>(count);
    const double std = std::sqrt(static_cast<double>(spread)) / n / 255;
    norm.mean.push_back(static_cast<float>(static_cast<double>(sums.sum[c]) / n / 255));
    norm.std.push_back(spread > 0 ? static_cast<float>(std) : 1);
  }
  return norm;
}

absl::StatusOr<Normalization> StandardizeBytes(const SampleSource& source, int64_t x, int64_t channels, int threads) {
  constexpr int64_t kBlock = 256;  // samples that share one room
  Sums total{std::vector<uint64_t>(channels), std::vector<uint64_t>(channels)};
  std::mutex mutex;
  const int64_t n = source.size();
  auto work = [&](int64_t block) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(SampleRoom room, SampleRoom::Create(source));
    Sums sums{std::vector<uint64_t>(channels), std::vector<uint64_t>(channels)};
    const int64_t part = room.fields()[x].num_elements() / channels;
    for (int64_t i = block * kBlock; i < std::min(n, (block + 1) * kBlock); ++i) {
      ATH_RETURN_IF_ERROR(room.Read(source, i));
      const uint8_t* p = room.fields()[x].as<uint8_t>().data();
      for (int64_t c = 0; c < channels; ++c, p += part) {
        uint64_t sum = 0;
        uint64_t squares = 0;
        for (int64_t k = 0; k < part; ++k) sum += p[k], squares += uint32_t{p[k]} * p[k];
        sums.sum[c] += sum;
        sums.squares[c] += squares;
      }
    }
    std::lock_guard<std::mutex> lock(mutex);
    for (int64_t c = 0; c < channels; ++c) total.sum[c] += sums.sum[c], total.squares[c] += sums.squares[c];
    return absl::OkStatus();
  };
  ATH_RETURN_IF_ERROR(ParallelFor((n + kBlock - 1) / kBlock, threads, work));
  ATH_ASSIGN_OR_RETURN(const int64_t elements, NumElements(source.fields()[x].shape));
  return FromSums(total, static_cast<uint64_t>(n) * static_cast<uint64_t>(elements / channels));
}

// In the order of the samples, twice: the mean first.
absl::StatusOr<Normalization> StandardizeFloats(const SampleSource& source, int64_t x, int64_t channels) {
  ATH_ASSIGN_OR_RETURN(SampleRoom room, SampleRoom::Create(source));
  const int64_t part = room.fields()[x].num_elements() / channels;
  const double count = static_cast<double>(source.size()) * static_cast<double>(part);
  std::vector<double> mean(channels), variance(channels);
  for (bool second : {false, true}) {
    std::vector<double>& sums = second ? variance : mean;
    for (int64_t i = 0; i < source.size(); ++i) {
      ATH_RETURN_IF_ERROR(room.Read(source, i));
      const float* p = room.fields()[x].as<float>().data();
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t k = 0; k < part; ++k, ++p) {
          const double d = *p - (second ? mean[c] : 0);
          sums[c] += second ? d * d : d;
        }
      }
    }
    for (double& s : sums) s /= count;
  }
  Normalization norm;
  for (int64_t c = 0; c < channels; ++c) {
    norm.mean.push_back(static_cast<float>(mean[c]));
    norm.std.push_back(UsableStd(std::sqrt(variance[c]), mean[c], /*scale=*/1));
  }
  return norm;
}

}  // namespace

absl::StatusOr<NormalizeSpec> ParseNormalizeSpec(absl::string_view text) {
  NormalizeSpec spec;
  if (text == "none") return NormalizeSpec{NormalizeSpec::Kind::kNone, {}, {}};
  if (text == "scale255") return NormalizeSpec{NormalizeSpec::Kind::kScale255, {}, {}};
  if (text == "standardize") return spec;
  std::pair<absl::string_view, absl::string_view> both = absl::StrSplit(text, absl::MaxSplits('/', 1));
  if (text.find('/') == absl::string_view::npos) return BadSpec(text, "unknown");
  spec.kind = NormalizeSpec::Kind::kGiven;
  ATH_ASSIGN_OR_RETURN(spec.mean, ParseFloats(both.first, text));
  ATH_ASSIGN_OR_RETURN(spec.std, ParseFloats(both.second, text));
  for (float s : spec.std) {
    if (!(s > 0)) return BadSpec(text, absl::StrCat("a standard deviation is ", s, ", it must be above 0"));
  }
  return spec;
}

absl::StatusOr<Normalization> MakeNormalization(const NormalizeSpec& spec, const SampleSource& stored, int threads) {
  const int64_t x = FindField(stored.fields(), "x");
  if (x < 0) return MakeError(ErrorClass::kData, "normalization: the samples have no field x");
  const FieldSpec& field = stored.fields()[x];
  if (field.dtype != DType::kU8 && field.dtype != DType::kF32) {
    return MakeError(ErrorClass::kData, "normalization: the samples are %s, not u8 or f32", DTypeName(field.dtype));
  }
  const int64_t channels = NumChannels(field.shape);
  Normalization norm;
  switch (spec.kind) {
    case NormalizeSpec::Kind::kNone:
      break;
    case NormalizeSpec::Kind::kScale255:
      norm = Normalization::ScaleBy255();
      break;
    case NormalizeSpec::Kind::kGiven:
      norm = Normalization::MeanStd(spec.mean, spec.std, field.dtype == DType::kU8 ? 1.0f / 255.0f : 1.0f);
      break;
    case NormalizeSpec::Kind::kStandardize: {
      ATH_ASSIGN_OR_RETURN(norm, field.dtype == DType::kU8 ? StandardizeBytes(stored, x, channels, threads)
                                                           : StandardizeFloats(stored, x, channels));
      break;
    }
  }
  ATH_RETURN_IF_ERROR(norm.Check(channels, field.dtype == DType::kU8 ? 255 : 1));
  return norm;
}

void StoreNormalization(const Normalization& normalization, Attributes* metadata) {
  metadata->Set("input_scale", static_cast<double>(normalization.scale));
  metadata->Set("input_mean", Floats(normalization.mean.begin(), normalization.mean.end()));
  metadata->Set("input_std", Floats(normalization.std.begin(), normalization.std.end()));
}

}  // namespace athanor
