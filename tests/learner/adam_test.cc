#include "learner/adam.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "learner/adam_kernel.h"
#include "learner/learning_rate.h"

namespace anabranch {
namespace {

// Adam as the paper writes it, in double, one number at a time.
struct PaperAdam {
  double m = 0, v = 0;
  int step = 0;
  double Update(double theta, double g, double rate, double decay) {
    ++step;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double m_hat = m / (1 - std::pow(0.9, step)), v_hat = v / (1 - std::pow(0.999, step));
    return theta * (1 - rate * decay) - rate * m_hat / (std::sqrt(v_hat) + 1e-8);
  }
};

class AdamTest : public testing::Test {
 protected:
  AdamTest() {
    weight_ = parameters_.Add("weight", {37});
    log_z_ = parameters_.Add("log_z", {1}, ParameterGroup::kLogZ);
    parameters_.Allocate();
    for (int i = 0; i < 37; ++i) parameters_.Data(weight_)[i] = 0.1f * static_cast<float>(i - 18);
  }
  void SetGradient(int step) {
    for (int i = 0; i < 37; ++i) {
      parameters_.GradientData(weight_)[i] = std::sin(static_cast<float>(i + 40 * step));
    }
    *parameters_.GradientData(log_z_) = static_cast<float>(step) - 3.3f;
  }

  Parameters parameters_;
  int64_t weight_;
  int64_t log_z_;
};

TEST_F(AdamTest, FollowsThePaperWithARateOfItsOwnForLogZ) {
  AdamOptions options;
  options.weight_decay = 0.01;
  Adam adam(options, parameters_);
  std::vector<PaperAdam> paper(38);
  std::vector<double> theta;
  for (int i = 0; i < 37; ++i) theta.push_back(parameters_.Data(weight_)[i]);
  theta.push_back(0);
  for (int step = 0; step < 20; ++step) {
    SetGradient(step);
    for (int i = 0; i < 37; ++i) {
      theta[i] =
          paper[i].Update(theta[i], std::sin(static_cast<float>(i + 40 * step)), 0.5e-3, 0.01);
    }
    theta[37] = paper[37].Update(theta[37], static_cast<float>(step) - 3.3f, 0.05, 0);
    adam.Step(0.5);
  }
  EXPECT_EQ(adam.step(), 20);
  for (int i = 0; i < 37; ++i) EXPECT_NEAR(parameters_.Data(weight_)[i], theta[i], 2e-6) << i;
  EXPECT_NEAR(*parameters_.Data(log_z_), theta[37], 2e-5);
}

TEST_F(AdamTest, ClipsByTheNormOfAllParametersTogether) {
  AdamOptions options;
  options.max_gradient_norm = 0.5;
  Adam adam(options, parameters_);
  SetGradient(1);
  const at::Tensor gradient = parameters_.gradient().clone();
  const double norm = adam.Step(1.0);
  EXPECT_NEAR(norm, gradient.norm().item<double>(), 1e-5);
  EXPECT_GT(norm, 0.5);
  const at::Tensor expected = 0.1 * gradient * (0.5 / norm);
  EXPECT_TRUE(at::allclose(adam.first_moment(), expected, 1e-5, 1e-8));
}

TEST_F(AdamTest, AGradientThatIsNotFiniteChangesNothing) {
  Adam adam({}, parameters_);
  const at::Tensor before = parameters_.values().clone();
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    SetGradient(1);
    parameters_.GradientData(weight_)[5] = bad;
    EXPECT_FALSE(std::isfinite(adam.Step(1.0)));
  }
  EXPECT_EQ(adam.step(), 0);
  EXPECT_TRUE(at::equal(parameters_.values(), before));
  EXPECT_EQ(adam.first_moment().abs().max().item<double>(), 0);
}

TEST_F(AdamTest, TensorArithmeticIsTheSameAsTheKernel) {
  AdamKernelArguments arguments{0.7f, 0.9f, 0.999f, 0.01f, 1e-6f, 0.999f};
  std::vector<at::Tensor> kernel, tensors;
  for (int i = 0; i < 4; ++i) {
    kernel.push_back(at::rand({1003}));
    tensors.push_back(kernel.back().clone());
  }
  AdamKernel(arguments, kernel[0].data_ptr<float>(), 1003, kernel[1].data_ptr<float>(),
             kernel[2].data_ptr<float>(), kernel[3].data_ptr<float>());
  AdamTensors(arguments, tensors[0], tensors[1], tensors[2], tensors[3]);
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(at::allclose(kernel[i], tensors[i], 1e-5, 1e-6)) << i;
}

TEST(AdamOptionsTest, OptionsThatMeanNothingAreRefusedByName) {
  auto refused = [](auto change) {
    AdamOptions options;
    change(options);
    return std::string(options.Validate().message());
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_NE(refused([](auto& o) { o.learning_rate = 0; }).find("learning_rate"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.log_z_learning_rate = -1; }).find("log_z_learning_rate"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.beta1 = 1; }).find("beta1"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.beta2 = std::nan(""); }).find("beta2"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.epsilon = 0; }).find("epsilon"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.weight_decay = -1; }).find("weight_decay"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.max_gradient_norm = -1; }).find("max_gradient_norm"),
            std::string::npos);
}

TEST(LearningRateTest, WarmsUpDecaysAndStays) {
  LearningRateOptions rate;
  rate.warmup_steps = 10;
  EXPECT_DOUBLE_EQ(rate.Factor(0), 0.1);
  EXPECT_DOUBLE_EQ(rate.Factor(9), 1.0);
  EXPECT_DOUBLE_EQ(rate.Factor(1000000), 1.0);
  rate.schedule = LearningRateSchedule::kCosine;
  rate.decay_steps = 110;
  rate.final_fraction = 0.2;
  EXPECT_DOUBLE_EQ(rate.Factor(10), 1.0);
  EXPECT_DOUBLE_EQ(rate.Factor(60), 0.6);
  EXPECT_NEAR(rate.Factor(110), 0.2, 1e-12);
  EXPECT_NEAR(rate.Factor(999), 0.2, 1e-12);
  rate.schedule = LearningRateSchedule::kLinear;
  EXPECT_DOUBLE_EQ(rate.Factor(35), 0.2 + 0.8 * 0.75);
  EXPECT_EQ(rate.Validate(), absl::OkStatus());
  rate.decay_steps = 10;
  EXPECT_NE(rate.Validate().message().find("decay_steps"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
