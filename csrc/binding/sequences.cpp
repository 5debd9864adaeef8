// Sequences by the batch, from Python: addresses of checked arrays in, arrays filled. Holds no rule; the GIL is
// released while a job runs.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../backends/job_backend.h"
#include "../sequence/jobs.h"
#include "options.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

std::vector<Option> sequence_options() {
  DescribeOptions known;
  sequence::SequenceLaw defaults;
  sequence::SequenceLaw::options(known, defaults);
  return known.found;
}
sequence::SequenceLaw read_law(const py::dict& given) {
  const Options options = options_from(given);
  check_known(sequence_options(), options, "a process of sequences");
  ReadOptions reader{options};
  sequence::SequenceLaw law;
  sequence::SequenceLaw::options(reader, law);
  law.check();
  return law;
}
template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

}  // namespace

void bind_sequences(py::module_& m) {
  py::class_<sequence::SequenceLaw>(m, "SequenceLaw", "A process that sends symbols, its options checked.")
      .def(py::init(&read_law), py::arg("options"))
      .def_property_readonly("num_symbols", &sequence::SequenceLaw::num_symbols)
      .def(
          "tables",
          [](const sequence::SequenceLaw& law) {
            const int64_t tasks = law.has_tasks() ? law.tasks : 0, rows = law.is_categorical() ? law.rows() : 0;
            py::array_t<uint32_t> tables(std::vector<int64_t>{tasks, rows, law.num_symbols()});
            if (tasks > 0) sequence::draw_tables(law, tables.mutable_data());
            return tables;
          },
          "uint32 [tasks, rows, symbols]: chances times 2^32 of every fixed task of a categorical process.")
      .def(
          "filter_weights",
          [](const sequence::SequenceLaw& law, int64_t length) {
            check_range("length", length, 1, 1 << 20);
            return sequence::Filter::num_weights(law, length);
          },
          py::arg("length"),
          "Weights that the exact filter keeps and goes through, at most, at every symbol of a sequence that long.");
  m.def("sequence_options", &sequence_options, "Options of a process.");
  m.attr("SEQUENCE_REGIMES") = std::vector<std::string>{"alternate", "memoryless", "sticky", "streaks_end", "patterns"};
  m.def(
      "generate_sequences",
      [](const sequence::SequenceLaw& law, int64_t length, uint64_t seed, uint64_t first, int64_t count,
         const std::vector<uintptr_t>& arrays, const Machine& machine) {
        check_count(count);
        check_range("length", length, 1, 1 << 20);
        sequence::GenerateSequences job{};
        job.law = law;
        job.length = length;
        job.seed = seed;
        job.first = first;
        job.tables = pointer<const uint32_t>(arrays.at(0));
        job.symbols = pointer<uint8_t>(arrays.at(1));
        job.filter = pointer<float>(arrays.at(2));
        job.oracle = pointer<float>(arrays.at(3));
        job.filter_log = pointer<float>(arrays.at(4));
        job.oracle_log = pointer<float>(arrays.at(5));
        job.hidden = pointer<int32_t>(arrays.at(6));
        const py::gil_scoped_release release;
        run_job(job, count, machine);
      },
      py::kw_only(), py::arg("law"), py::arg("length"), py::arg("seed"), py::arg("first"), py::arg("count"),
      py::arg("arrays"), py::arg("machine"),
      "Fills arrays: tables, symbols, filter, oracle, filter_log, oracle_log, hidden; 0 for one not asked for.");
}

}  // namespace mesa
