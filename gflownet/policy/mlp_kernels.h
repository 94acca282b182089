// The inner loops of an MLP policy on the CPU: everything between the matrix products.
//
// All matrices are row-major float32 and contiguous. Nothing allocates, nothing checks, one thread
// each. Compiled for several instruction sets; the machine's best is chosen at load time.
#ifndef ANABRANCH_GFLOWNET_POLICY_MLP_KERNELS_H_
#define ANABRANCH_GFLOWNET_POLICY_MLP_KERNELS_H_

#include <cstdint>

namespace anabranch::mlp {

// y[r] = bias + Σ_j weight[hot[r, j]]: a linear layer over multi-hot rows. hot is [rows, k], weight
// is [width, n], y is [rows, n].
void GatherSum(const int32_t* hot, int64_t rows, int64_t k, const float* weight, const float* bias,
               int64_t n, float* y);
// The gradient of GatherSum: weight_gradient[hot[r, j]] += dy[r].
void ScatterAdd(const int32_t* hot, int64_t rows, int64_t k, const float* dy, int64_t n,
                float* weight_gradient);

// y[r] += bias.
void AddBias(const float* bias, int64_t rows, int64_t n, float* y);
// y = y ≥ 0 ? y : slope · y, 0 ≤ slope < 1.
void LeakyRelu(float slope, int64_t size, float* y);
// y[r] = leaky_relu(y[r] + bias).
void AddBiasLeakyRelu(const float* bias, float slope, int64_t rows, int64_t n, float* y);
// dy *= slope where the *output* h of the activation is not positive: its sign is the input's.
void LeakyReluGradient(const float* h, float slope, int64_t size, float* dy);
// bias_gradient += Σ_r dy[r].
void ColumnSum(const float* dy, int64_t rows, int64_t n, float* bias_gradient);

}  // namespace anabranch::mlp

#endif  // ANABRANCH_GFLOWNET_POLICY_MLP_KERNELS_H_
