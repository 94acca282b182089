// The three matrix products of a linear layer, on the CPU.
#ifndef ANABRANCH_GFLOWNET_POLICY_GEMM_H_
#define ANABRANCH_GFLOWNET_POLICY_GEMM_H_

#include <cstdint>

namespace anabranch {

// All matrices are row-major float32: x and dx are [rows, in], y and dy [rows, out], w and dw
// [in, out]. By the BLAS inside LibTorch, called directly: for the small batches of a rollout the
// tensor library's way to it costs as much as the product. Threads are LibTorch's intra-op threads.

// y = x · w + beta · y.
void Multiply(const float* x, const float* w, int64_t rows, int64_t in, int64_t out, float beta,
              float* y);

// dw += xᵀ · dy.
void AddWeightGradient(const float* x, const float* dy, int64_t rows, int64_t in, int64_t out,
                       float* dw);

// dx = dy · wᵀ.
void InputGradient(const float* dy, const float* w, int64_t rows, int64_t in, int64_t out,
                   float* dx);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_GEMM_H_
