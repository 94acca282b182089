#include "gflownet/policy/mlp_kernels.h"

#include <algorithm>

#include "gflownet/function_clones.h"

namespace anabranch::mlp {

ANABRANCH_FUNCTION_CLONES void GatherSum(const int32_t* hot, int64_t rows, int64_t k,
                                         const float* weight, const float* bias, int64_t n,
                                         float* y) {
  // Columns in tiles that stay in registers while the k weight rows are added up.
  constexpr int64_t kTile = 64;
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t* columns = hot + r * k;
    float* out = y + r * n;
    int64_t begin = 0;
    for (; begin + kTile <= n; begin += kTile) {
      float sum[kTile];
      for (int64_t i = 0; i < kTile; ++i) sum[i] = bias[begin + i];
      for (int64_t j = 0; j < k; ++j) {
        const float* row = weight + columns[j] * n + begin;
        for (int64_t i = 0; i < kTile; ++i) sum[i] += row[i];
      }
      for (int64_t i = 0; i < kTile; ++i) out[begin + i] = sum[i];
    }
    for (; begin < n; ++begin) {
      float sum = bias[begin];
      for (int64_t j = 0; j < k; ++j) sum += weight[columns[j] * n + begin];
      out[begin] = sum;
    }
  }
}

ANABRANCH_FUNCTION_CLONES void ScatterAdd(const int32_t* hot, int64_t rows, int64_t k,
                                          const float* __restrict dy, int64_t n,
                                          float* __restrict weight_gradient) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* in = dy + r * n;
    for (int64_t j = 0; j < k; ++j) {
      float* out = weight_gradient + hot[r * k + j] * n;
      for (int64_t i = 0; i < n; ++i) out[i] += in[i];
    }
  }
}

ANABRANCH_FUNCTION_CLONES void AddBias(const float* __restrict bias, int64_t rows, int64_t n,
                                       float* __restrict y) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) y[r * n + i] += bias[i];
  }
}

ANABRANCH_FUNCTION_CLONES void LeakyRelu(float slope, int64_t size, float* y) {
  for (int64_t i = 0; i < size; ++i) y[i] = std::max(y[i], slope * y[i]);
}

ANABRANCH_FUNCTION_CLONES void AddBiasLeakyRelu(const float* __restrict bias, float slope,
                                                int64_t rows, int64_t n, float* __restrict y) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      const float x = y[r * n + i] + bias[i];
      y[r * n + i] = std::max(x, slope * x);
    }
  }
}

ANABRANCH_FUNCTION_CLONES void LeakyReluGradient(const float* __restrict h, float slope,
                                                 int64_t size, float* __restrict dy) {
  for (int64_t i = 0; i < size; ++i) dy[i] *= h[i] > 0 ? 1.0f : slope;
}

ANABRANCH_FUNCTION_CLONES void ColumnSum(const float* __restrict dy, int64_t rows, int64_t n,
                                         float* __restrict bias_gradient) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) bias_gradient[i] += dy[r * n + i];
  }
}

}  // namespace anabranch::mlp
