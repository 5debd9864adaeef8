// Tour problems drawn, from Python: addresses of checked arrays in, arrays filled. Holds no rule; the GIL is released
// while a job runs.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../backends/job_backend.h"
#include "../tsp/data_jobs.h"
#include "options.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

struct DistributionEntry {
  std::string name, help;
  bool points;
  void (*describe)(DescribeOptions&, TourDistribution&);
  void (*read)(ReadOptions&, TourDistribution&);
};
const std::vector<DistributionEntry>& entries() {
#define MESA_ENTRY(Law)                                                                                       \
  {Law::kName, Law::kHelp, Law::kPoints, [](DescribeOptions& v, TourDistribution& o) { Law::options(v, o); }, \
   [](ReadOptions& v, TourDistribution& o) { Law::options(v, o); }},
  static const std::vector<DistributionEntry> list = {MESA_TOUR_DISTRIBUTIONS(MESA_ENTRY)};
  return list;
}

int32_t kind_of(const char* argument, const std::string& name) {
  std::string allowed;
  for (size_t k = 0; k < entries().size(); ++k) {
    if (entries()[k].name == name) return static_cast<int32_t>(k);
    allowed += (k ? ", " : "") + entries()[k].name;
  }
  throw std::invalid_argument(std::string(argument) + ": got '" + name + "', allowed: " + allowed);
}
std::vector<Option> options_of(int32_t kind) {
  DescribeOptions known;
  TourDistribution defaults;
  entries()[kind].describe(known, defaults);
  return known.found;
}
std::vector<Option> options_of_greedy_hard() {
  DescribeOptions known;
  GreedyHard defaults;
  GreedyHard::options(known, defaults);
  return known.found;
}

// What the options' own ranges cannot say.
void check(const TourDistribution& o) {
  if (o.most_radius < o.least_radius)
    throw std::invalid_argument("most_radius: got " + std::to_string(o.most_radius) + ", allowed: least_radius, " +
                                std::to_string(o.least_radius) + ", or more");
}
TourDistribution read(int32_t kind, int32_t n, const Options& given) {
  check_range("n", n, 3, kMaxCities);
  TourDistribution result;
  ReadOptions reader{given};
  entries()[kind].read(reader, result);
  result.n = n;
  result.kind = kind;
  check(result);
  return result;
}
TourDistribution distribution(const std::string& name, int32_t n, const py::dict& given) {
  const int32_t kind = kind_of("distribution", name);
  const Options options = options_from(given);
  check_known(options_of(kind), options, "distribution '" + name + "'");
  return read(kind, n, options);
}
// The options of the base are given along with those of greed.
GreedyHard greedy_hard(const std::string& base, int32_t n, const py::dict& given) {
  const int32_t kind = kind_of("base", base);
  const Options options = options_from(given);
  std::vector<Option> known = options_of_greedy_hard();
  for (const Option& option : options_of(kind)) known.push_back(option);
  check_known(known, options, "distribution 'greedy_hard' of base '" + base + "'");
  GreedyHard result;
  ReadOptions reader{options};
  GreedyHard::options(reader, result);
  result.base = read(kind, n, options);
  if (!entries()[kind].points && n > GreedyHard::kMostOfMatrix)
    throw std::invalid_argument("n: got " + std::to_string(n) + " with base '" + base + "', allowed: up to " +
                                std::to_string(GreedyHard::kMostOfMatrix));
  return result;
}

template <class Job>
void run(const Job& job, int64_t count, const Machine& machine) {
  const py::gil_scoped_release release;
  if (count > 0) run_on_cpu(job, count, machine.num_threads);
}

}  // namespace

void bind_tour_data(py::module_& m) {
  m.def(
      "tour_distributions",
      [] {
        py::dict result;
        for (size_t k = 0; k < entries().size(); ++k)
          result[entries()[k].name.c_str()] =
              py::make_tuple(entries()[k].help, py::cast(options_of(static_cast<int32_t>(k))), entries()[k].points);
        return result;
      },
      "Distribution → (what it is, its options, whether of points).");
  m.def(
      "greedy_hard_options", [] { return py::make_tuple(GreedyHard::kHelp, py::cast(options_of_greedy_hard())); },
      "(what it is, its options beside those of its base).");
  m.def(
      "draw_tours",
      [](const std::string& name, const py::dict& options, int32_t n, uint64_t seed, uint64_t first, int64_t count,
         uintptr_t drawn, const Machine& machine) {
        check_count(count);
        DrawTours job{};
        job.law = distribution(name, n, options);
        job.drawn = pointer<double>(drawn);
        job.seed = seed;
        job.first = first;
        const py::gil_scoped_release release;
        run_job(job, count, machine);
      },
      py::kw_only(), py::arg("distribution"), py::arg("options"), py::arg("n"), py::arg("seed"), py::arg("first"),
      py::arg("count"), py::arg("drawn"), py::arg("machine"));
  m.def(
      "draw_greedy_hard",
      [](const std::string& base, const py::dict& options, int32_t n, uint64_t seed, int64_t count, int64_t most,
         uintptr_t number, uintptr_t drawn, uintptr_t trials, uintptr_t nearest_neighbour, uintptr_t two_opt,
         uintptr_t found, const Machine& machine) {
        check_count(count);
        check_range("most", most, 0, kMostInstances);
        DrawGreedyHard job{};
        job.wanted = greedy_hard(base, n, options);
        job.seed = seed;
        job.most = most;
        job.number = pointer<const uint64_t>(number);
        job.drawn = pointer<double>(drawn);
        job.trials = pointer<int64_t>(trials);
        job.nearest_neighbour = pointer<double>(nearest_neighbour);
        job.two_opt = pointer<double>(two_opt);
        job.found = pointer<uint8_t>(found);
        run(job, count, machine);
      },
      py::kw_only(), py::arg("base"), py::arg("options"), py::arg("n"), py::arg("seed"), py::arg("count"),
      py::arg("most"), py::arg("number"), py::arg("drawn"), py::arg("trials"), py::arg("nearest_neighbour"),
      py::arg("two_opt"), py::arg("found"), py::arg("machine"),
      "Goes on with each instance's draws until one may be hard for greed, or `most` are spent.");
}

}  // namespace mesa
