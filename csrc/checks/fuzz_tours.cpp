// Tour problems from a stranger: points or symmetric distances as the Python door lets them through (finite, not
// negative, within its bounds). Every solver answers with a tour and a bound that is one; the exact ones agree.
#include <cmath>
#include <memory>
#include <vector>

#include "../backends/job_backend.h"
#include "../tsp/heuristic_jobs.h"
#include "../tsp/jobs.h"
#include "input.h"

using namespace mesa;

namespace {

constexpr int64_t kNodes = 300;  // of a search's tree, so that no input takes long

struct Answer {
  std::unique_ptr<int32_t[]> order;
  double length = 0, lower_bound = 0;
  uint8_t optimal = 0;
};

double number_from(Input& input, int kind) {
  switch (kind) {
    case 0:
      return input.byte();  // many of them equal
    case 1:
      return input.take<uint32_t>() >> 1;
    case 2:
      return input.take<uint16_t>() / 65536.0;
    default: {
      const double x = std::fabs(input.take<double>());
      return std::isfinite(x) && x < 0x1p500 && (x == 0 || x > 0x1p-400) ? x : 1.0;
    }
  }
}

// Of the problem, by its metric.
double longest_distance(const TourProblems& problems) {
  std::unique_ptr<uint64_t[]> memory(new uint64_t[static_cast<size_t>(problems.bytes()) / 8 + 1]);
  Scratch scratch{reinterpret_cast<uint8_t*>(memory.get())};
  const Distances d = problems.distances(0, scratch);
  double longest = 0;
  for (int32_t a = 0; a < d.n; ++a) {
    for (int32_t b = 0; b < a; ++b) longest = std::max(longest, d.given[a * d.n + b]);
  }
  return longest;
}

void require_tour(int32_t n, const int32_t* order) {
  std::vector<bool> seen(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) {
    require(order[i] >= 0 && order[i] < n && !seen[static_cast<size_t>(order[i])], "a tour visits every city once");
    seen[static_cast<size_t>(order[i])] = true;
  }
}

Answer solve(const TourProblems& problems, TourMethod method) {
  Answer answer;
  answer.order.reset(new int32_t[static_cast<size_t>(problems.n)]);
  int64_t counts[3];
  int32_t how;
  SolveTours job{};
  job.problems = problems;
  job.found = {answer.order.get(), &answer.length, &answer.lower_bound, &answer.optimal,
               &counts[0],         &counts[1],     &counts[2],          &how};
  job.method = method;
  job.node_limit = kNodes;
  job.beyond = &branch_and_cut;
  run_on_cpu(job, 1, 1);
  require_tour(problems.n, answer.order.get());
  require(answer.lower_bound <= answer.length, "a lower bound is not above the tour");
  require(!answer.optimal || answer.lower_bound == answer.length, "what is optimal has no gap");
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, data + size};
  const uint8_t how = input.byte();
  const int32_t n = static_cast<int32_t>(3 + input.below(how & 128 ? 30 : 8));
  const bool of_points = how & 1;
  const int kind = how >> 1 & 3;
  const int32_t metric = of_points && kind < 3 ? how >> 3 & 3 : 0;
  std::unique_ptr<double[]> numbers(new double[static_cast<size_t>(of_points ? 2 * n : n * n)]());
  if (of_points) {
    for (int32_t k = 0; k < 2 * n; ++k) numbers[static_cast<size_t>(k)] = number_from(input, kind);
  } else {
    for (int32_t a = 0; a < n; ++a) {
      for (int32_t b = 0; b < a; ++b) {
        numbers[static_cast<size_t>(a * n + b)] = numbers[static_cast<size_t>(b * n + a)] = number_from(input, kind);
      }
    }
  }
  const TourProblems problems{of_points ? numbers.get() : nullptr, of_points ? nullptr : numbers.get(), n,
                              static_cast<Metric>(metric)};
  // What the solvers promise (mesasim/tsp/solving.py): no tour is shorter by 3n units of 2^-49 of the power of two
  // above the longest distance; and rounding of the sums.
  const double slack = 4.0 * n * 0x1p-48 * longest_distance(problems);
  const Answer exact = solve(problems, TourMethod::kAuto);
  for (const TourMethod method : {TourMethod::kHeldKarp, TourMethod::kBranchAndBound, TourMethod::kBranchAndCut}) {
    if (method == TourMethod::kHeldKarp && n > kMostForHeldKarp) continue;
    if (method == TourMethod::kHeldKarp && n > 11) continue;  // seconds, with a sanitizer
    const Answer other = solve(problems, method);
    if (!exact.optimal || !other.optimal) continue;
    require(std::fabs(exact.length - other.length) <= slack, "exact methods find tours of one length");
  }
  const int64_t number = input.byte();
  std::unique_ptr<int32_t[]> order(new int32_t[static_cast<size_t>(n)]);
  double length = 0;
  for (int32_t method = 0; method <= static_cast<int32_t>(Construction::kRandom); ++method) {
    if (!of_points && method == static_cast<int32_t>(Construction::kSpaceFillingCurve)) continue;
    ConstructTours job{};
    job.problems = problems;
    job.found = {order.get(), &length};
    job.number = &number;
    job.method = static_cast<Construction>(method);
    job.start = method == 0 ? kEveryStart : static_cast<int32_t>(input.below(n));
    run_on_cpu(job, 1, 1);
    require_tour(n, order.get());
    require(!exact.optimal || length >= exact.length - slack, "no tour is shorter than the optimum");
  }
  for (int32_t method = 0; method <= static_cast<int32_t>(Improvement::kAnnealing); ++method) {
    std::unique_ptr<int32_t[]> better(new int32_t[static_cast<size_t>(n)]);
    ImproveTours job{};
    job.problems = problems;
    job.found = {better.get(), &length};
    job.number = &number;
    job.method = static_cast<Improvement>(method);
    job.from = order.get();
    job.neighbours = static_cast<int32_t>(1 + input.below(8));
    job.kicks = 3;
    job.schedule = {20, static_cast<Cooling>(0), 0.3, 0.01};
    job.keep_best = true;
    run_on_cpu(job, 1, 1);
    require_tour(n, better.get());
    require(!exact.optimal || length >= exact.length - slack, "no tour is shorter than the optimum");
  }
  return 0;
}
