// What may be set about a Bandit, what it checks, and what it shows.
#pragma once
#include "../../core/spec.h"

namespace mesa {

struct BanditConfig {
  enum Reward : int32_t { kBernoulli, kGaussian };
  enum Prior : int32_t {
    kUniform,
    kBeta,
    kDependentUniform,
    kDependentEasy,
    kDependentMedium,
    kDependentHard,
    kNormal,
    kInformative
  };
  enum Drift : int32_t { kStill, kWalk, kRedraw, kSwap };

  bool oracle = false;  // set by the engine
  int32_t arms = 5, pulls = 10;
  int32_t reward = kBernoulli, prior = kUniform;
  double alpha = 1.0, beta = 1.0;
  ShortList<double> alphas, betas;
  double prior_mean = 0.0, prior_std = 1.0, reward_std = 1.0;
  int32_t drift = kStill;
  ShortList<double> volatility;
  int32_t num_tasks = 0, task_seed = 0;
  bool clock = false;

  MESA_HD bool dependent() const { return prior >= kDependentUniform && prior <= kDependentHard; }
  MESA_HD double alpha_of(int32_t arm) const { return alphas.count ? alphas.value[arm] : alpha; }
  MESA_HD double beta_of(int32_t arm) const { return betas.count ? betas.value[arm] : beta; }

  template <class Visitor>
  static void options(Visitor& v, BanditConfig& c) {
    v.integer("arms", c.arms, 2, 128, "number of arms");
    v.integer("pulls", c.pulls, 1, 10000, "pulls in an episode (one task)");
    v.choice("reward", c.reward, {"bernoulli", "gaussian"}, "0/1 with the arm's mean, or normal around it");
    v.choice(
        "prior", c.prior,
        {"uniform", "beta", "dependent_uniform", "dependent_easy", "dependent_medium", "dependent_hard", "normal",
         "informative"},
        "arm means: independent U(0,1), Beta(alpha, beta) or N(prior_mean, prior_std^2); dependent: two arms p and "
        "1-p, p from U(0,1), {.1,.9}, {.25,.75} or {.4,.6}; informative: one arm, any but the last, pays 5, the "
        "others 1, and the last says which: it pays (target + 1) / (arms - 1)");
    v.real("alpha", c.alpha, 0.05, 1000.0, "first parameter of prior=beta");
    v.real("beta", c.beta, 0.05, 1000.0, "second parameter of prior=beta");
    v.reals("alphas", c.alphas, 0.05, 1000.0, "prior=beta: alpha arm by arm, instead of one for all");
    v.reals("betas", c.betas, 0.05, 1000.0, "prior=beta: beta arm by arm, instead of one for all");
    v.real("prior_mean", c.prior_mean, -1000.0, 1000.0, "mean of prior=normal");
    v.real("prior_std", c.prior_std, 0.0, 1000.0, "standard deviation of prior=normal");
    v.real("reward_std", c.reward_std, 0.0, 1000.0, "standard deviation of a gaussian reward around its arm's mean");
    v.choice(
        "drift", c.drift, {"none", "walk", "redraw", "swap"},
        "restless arms, between one pull and the next: walk, every mean takes a normal step (0/1 rewards: reflected "
        "into [0, 1]; dependent arms: p does); redraw, with a probability an arm (a dependent pair) is drawn anew "
        "from the prior; swap, with a probability two arms change places");
    v.reals("volatility", c.volatility, 0.0, 1000.0,
            "the walk's standard deviation, or the probability of a redraw or swap, per pull; of several values each "
            "episode has one, drawn uniformly and hidden");
    v.integer("num_tasks", c.num_tasks, 0, 1000000, "tasks there are, each episode one of them; 0: a fresh one each");
    v.integer("task_seed", c.task_seed, 0, 2147483647, "what the num_tasks tasks are drawn from");
    v.flag("clock", c.clock, "show the number of pulls made (otherwise the observation is constant 0)");
  }

  static void check(const BanditConfig& c) {
    const auto refuse = [](const std::string& what) { throw std::invalid_argument(what); };
    const std::string arms = std::to_string(c.arms);
    if (c.dependent() && c.arms != 2) refuse("arms: got " + arms + ", allowed: 2 with a dependent prior");
    if (c.prior == kNormal && c.reward != kGaussian)
      refuse("prior: got 'normal', allowed with reward='bernoulli': the priors inside [0, 1]");
    if (c.prior == kInformative) {
      if (c.reward != kGaussian)
        refuse("reward: got 'bernoulli', allowed with prior='informative': 'gaussian' (reward_std=0 pays the mean)");
      if (c.arms < 3) refuse("arms: got " + arms + ", allowed: at least 3 with prior='informative'");
      if (c.drift != kStill) refuse("drift: got a restless one, allowed with prior='informative': 'none'");
    }
    for (const auto& [name, list] : {std::pair{"alphas", &c.alphas}, {"betas", &c.betas}}) {
      if (list->count == 0) continue;
      if (c.prior != kBeta) refuse(std::string(name) + ": got values, allowed: none unless prior='beta'");
      if (list->count != c.arms)
        refuse(std::string(name) + ": got " + std::to_string(list->count) + " values, allowed: one an arm, here " +
               arms);
    }
    if (c.drift == kStill) {
      if (c.volatility.count > 0) refuse("volatility: got values, allowed: none with drift='none'");
      return;
    }
    if (c.volatility.count == 0) refuse("volatility: got [], allowed with a drift: at least one value");
    for (int32_t i = 0; i < c.volatility.count; ++i)
      if (c.drift != kWalk && c.volatility.value[i] > 1)
        refuse("volatility: got " + std::to_string(c.volatility.value[i]) + ", allowed: a probability, 0 to 1");
    if (c.drift == kSwap && c.arms != 2) refuse("arms: got " + arms + ", allowed: 2 with drift='swap'");
  }

  static void describe(const BanditConfig& c, Spec& spec) {
    spec.help = "k-armed bandit, a fresh draw of the arms every episode";
    spec.observation = {
        {"pull", Dtype::kInt32, {1}, 0, c.clock ? double(c.pulls) : 0, 0, "pulls made if clock, else 0"}};
    const bool any_reward = c.reward == kGaussian;
    const bool any_mean = c.prior == kNormal || (any_reward && c.drift == kWalk);
    const double low = any_mean ? -kUnbounded : 0, high = any_mean ? kUnbounded : c.prior == kInformative ? 5 : 1;
    const double sum_low = any_reward ? -kUnbounded : 0, sum_high = any_reward ? kUnbounded : c.pulls;
    const double last = c.arms - 1;
    spec.oracle = {
        {"arm_means", Dtype::kFloat32, {c.arms}, low, high, 0, "expected reward of each arm in this task"},
        {"best_arm", Dtype::kInt32, {1}, 0, last, c.arms, "the arm of highest mean, the first among equals"},
        {"pull_counts", Dtype::kInt32, {c.arms}, 0, double(c.pulls), 0, "times each arm was pulled this episode"},
        {"reward_sums",
         Dtype::kFloat32,
         {c.arms},
         sum_low,
         sum_high,
         0,
         "rewards from each arm this episode; with pull_counts, the posterior's sufficient statistics"},
        {"expected_regret",
         Dtype::kFloat32,
         {1},
         0,
         kUnbounded,
         0,
         "sum over pulls of (best mean - mean of the arm pulled)"}};
    if (c.drift != kStill) {
      double most = 0;
      for (int32_t i = 0; i < c.volatility.count; ++i)
        most = c.volatility.value[i] > most ? c.volatility.value[i] : most;
      spec.oracle.push_back({"volatility", Dtype::kFloat32, {1}, 0, most, 0, "that of this episode"});
    }
    if (c.num_tasks > 0)
      spec.oracle.push_back({"task_number", Dtype::kInt32, {1}, 0, double(c.num_tasks - 1), c.num_tasks, "which task"});
    for (int32_t arm = 0; arm < c.arms; ++arm) spec.actions.push_back("pull arm " + std::to_string(arm));
    spec.variants = variants();
  }

  static std::vector<Options> variants() {
    const auto word = [](const char* text) { return std::string(text); };
    return {{},
            {{"arms", int64_t{10}}, {"pulls", int64_t{7}}, {"clock", true}},
            {{"arms", int64_t{2}}, {"prior", word("dependent_uniform")}},
            {{"arms", int64_t{2}}, {"prior", word("dependent_hard")}},
            {{"prior", word("beta")}, {"alpha", 0.5}, {"beta", 3.0}},
            {{"reward", word("gaussian")}},
            {{"reward", word("gaussian")}, {"prior", word("normal")}, {"reward_std", 0.5}},
            {{"arms", int64_t{3}},
             {"prior", word("beta")},
             {"alphas", OptionList{1.0, 9.0, 0.5}},
             {"betas", OptionList{1.0, 3.0, 0.5}}},
            {{"arms", int64_t{11}},
             {"pulls", int64_t{5}},
             {"prior", word("informative")},
             {"reward", word("gaussian")},
             {"reward_std", 0.0}},
            {{"arms", int64_t{2}},
             {"prior", word("dependent_uniform")},
             {"drift", word("walk")},
             {"volatility", OptionList{0.02, 0.2}}},
            {{"drift", word("walk")}, {"reward", word("gaussian")}, {"volatility", OptionList{0.5}}},
            {{"drift", word("redraw")}, {"volatility", OptionList{0.3}}},
            {{"arms", int64_t{2}},
             {"prior", word("dependent_easy")},
             {"drift", word("swap")},
             {"volatility", OptionList{0.05, 0.4}},
             {"num_tasks", int64_t{3}}},
            {{"num_tasks", int64_t{4}}, {"task_seed", int64_t{7}}}};
  }
};

}  // namespace mesa
