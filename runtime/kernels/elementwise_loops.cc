#include "runtime/kernels/elementwise_loops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/elementwise_loops.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "runtime/kernels/vector_math-inl.h"

#ifndef ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_LOOPS_TABLE_
#define ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_LOOPS_TABLE_
namespace athanor {

inline constexpr int kMicroOps = static_cast<int>(MicroOp::kMulAdd) + 1;

// Of one instruction set.
struct LoopTable {
  MicroLoop micro[kMicroOps][8] = {};  // by operation and which operands repeat
  MicroLoop copy = nullptr, fill = nullptr;
  LoadLoop load_f32 = nullptr, load_s32 = nullptr, load_s64 = nullptr, load_u8 = nullptr, load_bool = nullptr;
  StoreLoop store_f32 = nullptr, store_s32 = nullptr, store_s64 = nullptr, store_u8 = nullptr, store_bool = nullptr;
};

}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_LOOPS_TABLE_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using vmath::V;

inline V True(hn::Mask<FloatTag> m) { return hn::IfThenElseZero(m, hn::Set(FloatTag(), 1)); }
// Highway's Ne is false of NaN on some targets.
inline hn::Mask<FloatTag> Differ(V a, V b) { return hn::Not(hn::Eq(a, b)); }
inline hn::Mask<FloatTag> IsTrue(V v) { return Differ(v, hn::Zero(FloatTag())); }
inline V Sign(V v) {
  const V zero = hn::Zero(FloatTag());
  return hn::IfThenElse(hn::IsNaN(v), v, hn::Sub(True(hn::Gt(v, zero)), True(hn::Lt(v, zero))));
}

// x86's min and max give the second operand where either is NaN.
inline V MinOrNaN(V a, V b) { return hn::IfThenElse(hn::IsNaN(a), a, hn::Min(a, b)); }
inline V MaxOrNaN(V a, V b) { return hn::IfThenElse(hn::IsNaN(a), a, hn::Max(a, b)); }

// The operations: a type each, so that a loop is made for it.
#define ATH_UNARY(Name, expression) \
  struct Name##Op {                 \
    static constexpr int kArity = 1; \
    static HWY_INLINE V Compute(V a, V, V) { return expression; } \
  }
#define ATH_BINARY(Name, expression) \
  struct Name##Op {                  \
    static constexpr int kArity = 2;  \
    static HWY_INLINE V Compute(V a, V b, V) { return expression; } \
  }
#define ATH_TERNARY(Name, expression) \
  struct Name##Op {                   \
    static constexpr int kArity = 3;   \
    static HWY_INLINE V Compute(V a, V b, V c) { return expression; } \
  }
ATH_UNARY(Copy, a);
ATH_UNARY(Neg, hn::Neg(a));
ATH_UNARY(Abs, hn::Abs(a));
ATH_UNARY(Sign, Sign(a));
ATH_UNARY(Sqrt, hn::Sqrt(a));
ATH_UNARY(Reciprocal, hn::Div(vmath::Num(1), a));
ATH_UNARY(Exp, vmath::Exp(a));
ATH_UNARY(Expm1, vmath::Expm1(a));
ATH_UNARY(Log, vmath::Log(a));
ATH_UNARY(Log1p, vmath::Log1p(a));
ATH_UNARY(Tanh, vmath::Tanh(a));
ATH_UNARY(Logistic, vmath::Logistic(a));
ATH_UNARY(Erf, vmath::Erf(a));
ATH_UNARY(Sin, vmath::Sin(a));
ATH_UNARY(Cos, vmath::Cos(a));
ATH_UNARY(Floor, hn::Floor(a));
ATH_UNARY(Ceil, hn::Ceil(a));
ATH_UNARY(Round, hn::Round(a));
ATH_UNARY(Not, True(hn::Eq(a, hn::Zero(FloatTag()))));
ATH_BINARY(Add, hn::Add(a, b));
ATH_BINARY(Sub, hn::Sub(a, b));
ATH_BINARY(Mul, hn::Mul(a, b));
ATH_BINARY(Div, hn::Div(a, b));
ATH_BINARY(Pow, vmath::Pow(a, b));
ATH_BINARY(Min, MinOrNaN(a, b));
ATH_BINARY(Max, MaxOrNaN(a, b));
ATH_BINARY(Eq, True(hn::Eq(a, b)));
ATH_BINARY(Ne, True(Differ(a, b)));
ATH_BINARY(Lt, True(hn::Lt(a, b)));
ATH_BINARY(Le, True(hn::Le(a, b)));
ATH_BINARY(Gt, True(hn::Gt(a, b)));
ATH_BINARY(Ge, True(hn::Ge(a, b)));
ATH_BINARY(And, True(hn::And(IsTrue(a), IsTrue(b))));
ATH_BINARY(Or, True(hn::Or(IsTrue(a), IsTrue(b))));
ATH_BINARY(Xor, True(hn::Xor(IsTrue(a), IsTrue(b))));
ATH_TERNARY(Select, hn::IfThenElse(IsTrue(a), b, c));
ATH_TERNARY(MulAdd, hn::MulAdd(a, b, c));
#undef ATH_UNARY
#undef ATH_BINARY
#undef ATH_TERNARY

// One operand of a loop.
template <bool kThere, bool kRepeats>
struct Operand {
  const float* p;
  V all;
  explicit HWY_INLINE Operand(const float* from) : p(from), all(hn::Zero(FloatTag())) {
    if constexpr (kThere && kRepeats) all = hn::Set(FloatTag(), *from);
  }
  HWY_INLINE V At(int64_t i) const {
    if constexpr (kThere && !kRepeats) return hn::LoadU(FloatTag(), p + i);
    return all;
  }
  HWY_INLINE V Part(int64_t i, int64_t count) const {
    if constexpr (kThere && !kRepeats) return LoadPart(p + i, count, 1);
    return all;
  }
};

template <class Op, int kRepeats>
void Loop(const float* a, const float* b, const float* c, float* out, int64_t n) {
  const FloatTag d;
  const int64_t lanes = FloatLanes();
  const Operand<true, (kRepeats & 1) != 0> x(a);
  const Operand<(Op::kArity > 1), (kRepeats & 2) != 0> y(b);
  const Operand<(Op::kArity > 2), (kRepeats & 4) != 0> z(c);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const V first = Op::Compute(x.At(i), y.At(i), z.At(i));
    const V second = Op::Compute(x.At(i + lanes), y.At(i + lanes), z.At(i + lanes));
    hn::StoreU(first, d, out + i);
    hn::StoreU(second, d, out + i + lanes);
  }
  for (; i + lanes <= n; i += lanes) hn::StoreU(Op::Compute(x.At(i), y.At(i), z.At(i)), d, out + i);
  if (i < n) {
    // A full vector, so that every element is rounded alike.
    const int64_t count = n - i;
    StorePart(Op::Compute(x.Part(i, count), y.Part(i, count), z.Part(i, count)), out + i, count);
  }
}

template <class Op>
void Register(MicroLoop (&loops)[8]) {
  loops[0] = &Loop<Op, 0>;
  if constexpr (Op::kArity >= 2) {
    loops[1] = &Loop<Op, 1>;
    loops[2] = &Loop<Op, 2>;
  }
  if constexpr (Op::kArity == 3) {
    loops[3] = &Loop<Op, 3>;
    loops[4] = &Loop<Op, 4>;
    loops[5] = &Loop<Op, 5>;
    loops[6] = &Loop<Op, 6>;
  }
}

template <class T, bool kBool>
inline float AsFloat(T v) {
  if constexpr (kBool) return v != 0 ? 1.0f : 0.0f;
  return static_cast<float>(v);
}

template <class T, bool kBool>
void Load(const void* from, int64_t stride, float* out, int64_t n) {
  const T* p = static_cast<const T*>(from);
  if (stride == 0) {
    const float v = AsFloat<T, kBool>(*p);
    Loop<CopyOp, 1>(&v, nullptr, nullptr, out, n);
  } else if (stride == 1 && std::is_same_v<T, float>) {
    Loop<CopyOp, 0>(static_cast<const float*>(from), nullptr, nullptr, out, n);
  } else if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = AsFloat<T, kBool>(p[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = AsFloat<T, kBool>(p[i * stride]);
  }
}

// Towards zero, saturated; NaN becomes 0.
template <class T>
inline T Saturated(float v) {
  constexpr T kLowest = std::numeric_limits<T>::min(), kHighest = std::numeric_limits<T>::max();
  constexpr float kAbove = static_cast<float>(kHighest / 2 + 1) * 2;  // the first float that is too large
  if (!(v > static_cast<float>(kLowest))) return v != v ? T{0} : kLowest;
  return v >= kAbove ? kHighest : static_cast<T>(v);
}

template <class T>
void Store(const float* x, void* to, int64_t n) {
  T* out = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) out[i] = Saturated<T>(x[i]);
}
void StoreBool(const float* x, void* to, int64_t n) {
  uint8_t* out = static_cast<uint8_t*>(to);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] != 0 ? 1 : 0;
}
void StoreFloat(const float* x, void* to, int64_t n) { std::copy_n(x, n, static_cast<float*>(to)); }

LoopTable MakeTable() {
  LoopTable t;
#define ATH_LOOPS(Name) Register<Name##Op>(t.micro[static_cast<int>(MicroOp::k##Name)])
  ATH_LOOPS(Neg), ATH_LOOPS(Abs), ATH_LOOPS(Sign), ATH_LOOPS(Sqrt), ATH_LOOPS(Reciprocal), ATH_LOOPS(Exp);
  ATH_LOOPS(Expm1), ATH_LOOPS(Log), ATH_LOOPS(Log1p), ATH_LOOPS(Tanh), ATH_LOOPS(Logistic), ATH_LOOPS(Erf);
  ATH_LOOPS(Sin), ATH_LOOPS(Cos), ATH_LOOPS(Floor), ATH_LOOPS(Ceil), ATH_LOOPS(Round), ATH_LOOPS(Not);
  ATH_LOOPS(Add), ATH_LOOPS(Sub), ATH_LOOPS(Mul), ATH_LOOPS(Div), ATH_LOOPS(Pow), ATH_LOOPS(Min), ATH_LOOPS(Max);
  ATH_LOOPS(Eq), ATH_LOOPS(Ne), ATH_LOOPS(Lt), ATH_LOOPS(Le), ATH_LOOPS(Gt), ATH_LOOPS(Ge), ATH_LOOPS(And);
  ATH_LOOPS(Or), ATH_LOOPS(Xor), ATH_LOOPS(Select), ATH_LOOPS(MulAdd);
#undef ATH_LOOPS
  t.copy = &Loop<CopyOp, 0>;
  t.fill = &Loop<CopyOp, 1>;
  t.load_f32 = &Load<float, false>;
  t.load_s32 = &Load<int32_t, false>;
  t.load_s64 = &Load<int64_t, false>;
  t.load_u8 = &Load<uint8_t, false>;
  t.load_bool = &Load<uint8_t, true>;
  t.store_f32 = &StoreFloat;
  t.store_s32 = &Store<int32_t>;
  t.store_s64 = &Store<int64_t>;
  t.store_u8 = &Store<uint8_t>;
  t.store_bool = &StoreBool;
  return t;
}

const LoopTable* GetTable() {
  static const LoopTable table = MakeTable();
  return &table;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(GetTable);

const LoopTable& Table() { return *HWY_DYNAMIC_DISPATCH(GetTable)(); }

}  // namespace

MicroLoop FindMicroLoop(MicroOp op, int repeats) {
  MicroLoop loop = Table().micro[static_cast<int>(op)][repeats];
  ATH_CHECK(loop != nullptr);
  return loop;
}

MicroLoop CopyLoop() { return Table().copy; }
MicroLoop FillLoop() { return Table().fill; }

LoadLoop FindLoadLoop(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return Table().load_f32;
    case DType::kS32:
      return Table().load_s32;
    case DType::kS64:
      return Table().load_s64;
    case DType::kU8:
      return Table().load_u8;
    case DType::kBool:
      return Table().load_bool;
    default:
      return nullptr;
  }
}

StoreLoop FindStoreLoop(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return Table().store_f32;
    case DType::kS32:
      return Table().store_s32;
    case DType::kS64:
      return Table().store_s64;
    case DType::kU8:
      return Table().store_u8;
    case DType::kBool:
      return Table().store_bool;
    default:
      return nullptr;
  }
}

}  // namespace athanor
#endif  // HWY_ONCE
