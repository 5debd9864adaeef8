// The curriculum's families of problems, from Python: addresses of checked arrays in, arrays filled. Holds no rule; the
// GIL is released while a job runs.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../backends/job_backend.h"
#include "../curriculum/jobs.h"
#include "options.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

using Addresses = std::vector<uintptr_t>;

template <class Family>
typename Family::Arrays arrays_at(const Addresses& addresses) {
  typename Family::Arrays arrays;
  static_assert(sizeof arrays % sizeof(void*) == 0, "Arrays holds pointers only");
  if (addresses.size() * sizeof(void*) != sizeof arrays)
    throw std::invalid_argument("arrays: got " + std::to_string(addresses.size()) +
                                ", allowed: " + std::to_string(sizeof arrays / sizeof(void*)));
  memcpy(&arrays, addresses.data(), sizeof arrays);
  return arrays;
}
FoundArrays found_at(const Addresses& addresses) {
  return {reinterpret_cast<int8_t*>(addresses.at(0)), reinterpret_cast<int64_t*>(addresses.at(1)),
          reinterpret_cast<int64_t*>(addresses.at(2)), reinterpret_cast<uint8_t*>(addresses.at(3)),
          reinterpret_cast<uint8_t*>(addresses.at(4))};
}

// A family seen from Python; its options are read once, here.
template <class Family>
struct Face {
  static std::vector<Option> options() {
    DescribeOptions known;
    typename Family::Options defaults;
    Family::options(known, defaults);
    return known.found;
  }
  static typename Family::Options read(const py::dict& given) {
    const Options from = options_from(given);
    check_known(options(), from, std::string("family '") + Family::kName + "'");
    ReadOptions reader{from};
    typename Family::Options result;
    Family::options(reader, result);
    return result;
  }
  static ProblemSize size(int32_t n, const py::dict& given) {
    if (n < Family::kMinN || n > Family::kMaxN)
      throw std::invalid_argument("n: got " + std::to_string(n) + ", allowed: " + std::to_string(Family::kMinN) +
                                  " to " + std::to_string(Family::kMaxN));
    return Family::size(n, read(given));
  }
  // A formula's clauses and literals, or a graph's colours, as `size` gives them.
  static void check(const ProblemSize& size, int64_t count, int32_t num_threads) {
    check_range("n", size.n, Family::kMinN, Family::kMaxN);
    check_range("clauses", size.clauses, 0, Satisfiability::kMaxClauses);
    check_range("literals", size.literals, 0, Satisfiability::kMaxLiterals);
    check_range("colours", size.colours, 0, Family::kMaxN);
    check_count(count);
    check_threads(num_threads);
  }
  static void generate(const ProblemSize& size, const py::dict& given, uint64_t seed, uint64_t first, int64_t count,
                       const Addresses& arrays, int32_t num_threads) {
    check(size, count, num_threads);
    GenerateProblems<Family> job;
    job.size = size;
    job.options = read(given);
    job.arrays = arrays_at<Family>(arrays);
    job.seed = seed;
    job.first = first;
    run(job, count, num_threads);
  }
  static void solve(const ProblemSize& size, int64_t node_limit, int64_t count, const Addresses& arrays,
                    const Addresses& found, int32_t num_threads) {
    check(size, count, num_threads);
    SolveProblems<Family> job;
    job.size = size;
    job.arrays = arrays_at<Family>(arrays);
    job.found = found_at(found);
    job.node_limit = node_limit;
    run(job, count, num_threads);
  }
  static void greedy(const ProblemSize& size, int64_t count, const Addresses& arrays, const Addresses& found,
                     int32_t num_threads) {
    check(size, count, num_threads);
    GreedyAnswers<Family> job;
    job.size = size;
    job.arrays = arrays_at<Family>(arrays);
    job.found = found_at(found);
    run(job, count, num_threads);
  }
  template <class Job>
  static void run(const Job& job, int64_t count, int32_t num_threads) {
    py::gil_scoped_release release;
    if (count > 0) run_on_cpu(job, count, num_threads);
  }
};

template <class Family>
void bind_family(py::module_& families) {
  py::module_ m = families.def_submodule(Family::kName, Family::kHelp);
  m.attr("MIN_N") = Family::kMinN;
  m.attr("MAX_N") = Family::kMaxN;
  m.def("options", &Face<Family>::options);
  m.def("size", &Face<Family>::size, py::arg("n"), py::arg("options"));
  m.def("generate", &Face<Family>::generate, py::kw_only(), py::arg("size"), py::arg("options"), py::arg("seed"),
        py::arg("first"), py::arg("count"), py::arg("arrays"), py::arg("num_threads"));
  m.def("solve", &Face<Family>::solve, py::kw_only(), py::arg("size"), py::arg("node_limit"), py::arg("count"),
        py::arg("arrays"), py::arg("found"), py::arg("num_threads"));
  m.def("greedy", &Face<Family>::greedy, py::kw_only(), py::arg("size"), py::arg("count"), py::arg("arrays"),
        py::arg("found"), py::arg("num_threads"));
}

}  // namespace

void bind_curriculum(py::module_& m) {
  py::class_<ProblemSize>(m, "ProblemSize", "What of an instance is the same for a whole batch; 0: it has none.")
      .def(py::init([](int32_t n, int32_t clauses, int32_t literals, int32_t colours) {
             return ProblemSize{n, clauses, literals, colours};
           }),
           py::kw_only(), py::arg("n"), py::arg("clauses") = 0, py::arg("literals") = 0, py::arg("colours") = 0)
      .def_readonly("n", &ProblemSize::n)
      .def_readonly("clauses", &ProblemSize::clauses)
      .def_readonly("literals", &ProblemSize::literals)
      .def_readonly("colours", &ProblemSize::colours);
  m.attr("MAX_CLAUSES") = Satisfiability::kMaxClauses;
  m.attr("MAX_LITERALS") = Satisfiability::kMaxLiterals;
  py::module_ families = m.def_submodule("curriculum", "Families of problems, a module each.");
#define MESA_BIND(Family) bind_family<Family>(families);
  MESA_CURRICULUM_FAMILIES(MESA_BIND)
}

}  // namespace mesa
