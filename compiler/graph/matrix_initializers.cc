#include "compiler/graph/matrix_initializers.h"

#include <algorithm>
#include <cmath>

namespace athanor {
namespace {

constexpr int kLanes = 8;         // partial sums of a dot product, in a fixed order
constexpr int64_t kBlock = 32;    // vectors that are made orthogonal to those before them together
constexpr int64_t kParallel = 1 << 16;  // elements from which threads are worth waking

// Vectors of equal length, one behind the other.
class Vectors {
 public:
  Vectors(int64_t count, int64_t length) : count_(count), length_(length), data_(static_cast<size_t>(count * length)) {}
  int64_t count() const { return count_; }
  int64_t length() const { return length_; }
  double* operator[](int64_t i) { return data_.data() + i * length_; }

 private:
  int64_t count_, length_;
  std::vector<double> data_;
};

double Dot(const double* a, const double* b, int64_t n) {
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// Takes from v its part along the vectors [begin, end), one after the other (modified Gram-Schmidt).
void Project(Vectors& q, int64_t begin, int64_t end, double* v) {
  for (int64_t i = begin; i < end; ++i) {
    const double* unit = q[i];
    const double along = Dot(unit, v, q.length());
    for (int64_t k = 0; k < q.length(); ++k) v[k] -= along * unit[k];
  }
}

// The last step of vector j, which has had its part along those before it taken away: `before` was its norm.
void Normalize(Vectors& q, int64_t j, double before) {
  double* v = q[j];
  double norm = std::sqrt(Dot(v, v, q.length()));
  // What little is left may lie along the others by rounding: "twice is enough" (Parlett, Kahan). Nothing is left of
  // vectors that depend on one another, which chance does not make: any other direction will do.
  for (int64_t axis = 0; norm < 0.1 * before || norm == 0; ++axis) {
    if (norm <= 1e-12 * before || norm == 0) {
      std::fill_n(v, q.length(), 0.0);
      v[axis % q.length()] = before = 1;
    } else {
      before = norm;
    }
    Project(q, 0, j, v);
    norm = std::sqrt(Dot(v, v, q.length()));
  }
  for (int64_t k = 0; k < q.length(); ++k) v[k] /= norm;
}

// Makes the vectors orthonormal, in their order. There are not more of them than they are long.
void Orthonormalize(Vectors& q) {
  std::vector<double> before(static_cast<size_t>(q.count()));
  for (int64_t i = 0; i < q.count(); ++i) before[i] = std::sqrt(Dot(q[i], q[i], q.length()));
  for (int64_t begin = 0; begin < q.count(); begin += kBlock) {
    const int64_t end = std::min(q.count(), begin + kBlock);
    // A few at a time against each of the former, which then come from the cache.
    constexpr int64_t kTogether = 4;
#pragma omp parallel for schedule(static) if (begin * q.length() > kParallel)
    for (int64_t first = begin; first < end; first += kTogether) {
      for (int64_t i = 0; i < begin; ++i) {
        for (int64_t j = first; j < std::min(end, first + kTogether); ++j) Project(q, i, i + 1, q[j]);
      }
    }
    for (int64_t j = begin; j < end; ++j) {
      Project(q, begin, j, q[j]);
      Normalize(q, j, before[j]);
    }
  }
}

}  // namespace

std::vector<double> OrthogonalMatrix(const Shape& shape, double gain, const Philox& random) {
  int64_t elements = 1;
  for (int64_t d : shape) elements *= d;
  if (elements == 0) return {};
  const int64_t rows = shape[0], cols = elements / rows;
  const bool by_rows = rows < cols;
  Vectors q(std::min(rows, cols), std::max(rows, cols));
  auto element = [&](int64_t r, int64_t c) -> double& { return by_rows ? q[r][c] : q[c][r]; };
#pragma omp parallel for schedule(static) if (elements > kParallel)
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) element(r, c) = random.Normal(r * cols + c);
  }
  Orthonormalize(q);
  std::vector<double> out(static_cast<size_t>(elements));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[r * cols + c] = gain * element(r, c);
  }
  return out;
}

std::vector<double> IdentityMatrix(const Shape& shape, double gain) {
  std::vector<double> out(static_cast<size_t>(shape[0] * shape[1]));
  for (int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) out[i * shape[1] + i] = gain;
  return out;
}

std::vector<double> DiracKernel(const Shape& shape, int64_t groups) {
  int64_t kernel = 1, middle = 0;
  for (size_t d = 2; d < shape.size(); ++d) {
    kernel *= shape[d];
    middle = middle * shape[d] + shape[d] / 2;
  }
  std::vector<double> out(static_cast<size_t>(shape[0] * shape[1] * kernel));
  if (out.empty()) return out;
  const int64_t part = shape[0] / groups;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t c = 0; c < std::min(part, shape[1]); ++c) out[((g * part + c) * shape[1] + c) * kernel + middle] = 1;
  }
  return out;
}

}  // namespace athanor
