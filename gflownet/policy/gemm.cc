#include "gflownet/policy/gemm.h"

// The Fortran BLAS that libtorch_cpu exports, whichever it was built with.
extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n,
                       const int* k, const float* alpha, const float* a, const int* lda,
                       const float* b, const int* ldb, const float* beta, float* c, const int* ldc);

namespace anabranch {
namespace {

// Column-major, as BLAS sees it: our row-major matrices all appear transposed.
void Gemm(char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  const int sizes[] = {static_cast<int>(m),   static_cast<int>(n),   static_cast<int>(k),
                       static_cast<int>(lda), static_cast<int>(ldb), static_cast<int>(ldc)};
  const float one = 1.0f;
  sgemm_(&transpose_a, &transpose_b, &sizes[0], &sizes[1], &sizes[2], &one, a, &sizes[3], b,
         &sizes[4], &beta, c, &sizes[5]);
}

}  // namespace

void Multiply(const float* x, const float* w, int64_t rows, int64_t in, int64_t out, float beta,
              float* y) {
  Gemm('N', 'N', out, rows, in, w, out, x, in, beta, y, out);
}

void AddWeightGradient(const float* x, const float* dy, int64_t rows, int64_t in, int64_t out,
                       float* dw) {
  Gemm('N', 'T', out, in, rows, dy, out, x, in, 1.0f, dw, out);
}

void InputGradient(const float* dy, const float* w, int64_t rows, int64_t in, int64_t out,
                   float* dx) {
  Gemm('T', 'N', in, rows, out, w, out, dy, out, 0.0f, dx, in);
}

}  // namespace anabranch
