// The Python face of the engine. Names no world and holds no rule: specs, vectors of slots, and the solvers' module.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>

#include "../backends/backend.h"
#include "../backends/job_backend.h"
#include "../core/rng.h"
#include "../core/sha256.h"
#include "options.h"
#include "parts.h"
#include "ranges.h"
#if defined(MESA_EMULATED_CUDA)
#include "../emulator/planted.h"
#endif

namespace py = pybind11;

namespace mesa {
namespace {

std::unique_ptr<Backend> make_vector(const std::string& id, const py::dict& options, int64_t num_envs, int cuda_device,
                                     int64_t num_threads, int64_t first_slot, int autoreset, bool history, bool oracle,
                                     std::optional<int64_t> max_episode_steps, int64_t num_levels) {
  const Options given = options_from(options);
  const int64_t slots = int64_t{1} << 32;  // a slot's global number is 32 bits of its random numbers' key
  check_range("num_envs", num_envs, 1, slots);
  check_range("first_slot", first_slot, 0, slots - num_envs);
  check_threads(num_threads);
  check_range("autoreset", autoreset, 0, 2);
  Settings settings;
  settings.num_envs = num_envs;
  settings.first_slot = first_slot;
  settings.num_threads = static_cast<int32_t>(num_threads);
  settings.autoreset = static_cast<Autoreset>(autoreset);
  settings.history = history;
  settings.oracle = oracle;
  settings.max_episode_steps = max_episode_steps ? *max_episode_steps : make_spec(id, given).max_episode_steps;
  check_range("max_episode_steps", settings.max_episode_steps, 0, INT32_MAX);
  check_range("num_levels", num_levels, 0, INT32_MAX);
  settings.num_levels = num_levels;
  return Machine{settings.num_threads, cuda_device}.is_cpu() ? make_cpu(id, given, settings)
                                                             : make_cuda(id, given, settings, std::max(cuda_device, 0));
}

Dtype dtype_from(const std::string& name) {
  for (const Dtype dtype : {Dtype::kBool, Dtype::kUint8, Dtype::kInt32, Dtype::kFloat32})
    if (name == dtype_name(dtype)) return dtype;
  throw std::invalid_argument("dtype: got '" + name + "', allowed: bool, uint8, int32, float32");
}

py::object fault_to_python(const FaultReport& report) {
  if (report.fault == Fault::kNone) return py::none();
  return py::make_tuple(static_cast<int>(report.fault), report.slot, report.action);
}

py::tuple picture_to_python(const Picture& picture) {
  py::array_t<uint8_t> rgb({picture.rows, picture.cols, int64_t{3}});
  std::string letters;
  uint8_t* out = rgb.mutable_data();
  for (const Tile& tile : picture.tiles) {
    letters += tile.letter;
    *out++ = tile.red;
    *out++ = tile.green;
    *out++ = tile.blue;
  }
  return py::make_tuple(letters, rgb);
}

// What only the compiler knows.
py::dict build() {
  py::dict facts;
#if defined(__clang__)
  facts["compiler"] = "clang " __clang_version__;
#elif defined(__GNUC__)
  facts["compiler"] = "gcc " __VERSION__;
#else
  facts["compiler"] = "unknown";
#endif
  facts["type"] = MESA_BUILD_TYPE;
  facts["flags"] = MESA_BUILD_FLAGS;
  facts["sanitizers"] = MESA_SANITIZERS;
#if defined(MESA_EMULATED_CUDA)
  facts["cuda"] = "emulated on the CPU";
#elif defined(MESA_CUDA_ARCHITECTURES)
  facts["cuda"] = "compiled for " MESA_CUDA_ARCHITECTURES;
#else
  facts["cuda"] = "not compiled";
#endif
  facts["pybind11"] = PYBIND11_TOSTRING(PYBIND11_VERSION_MAJOR) "." PYBIND11_TOSTRING(PYBIND11_VERSION_MINOR);
  return facts;
}

template <class T>
const T* pointer(uintptr_t address) {
  return reinterpret_cast<const T*>(address);
}

}  // namespace
}  // namespace mesa

PYBIND11_MODULE(_core, m) {
  using namespace mesa;
  m.doc() = "mesasim's native engine";
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const OptionTypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const std::out_of_range& e) {
      PyErr_SetString(PyExc_KeyError, e.what());
    }
  });

  py::class_<Field>(m, "Field")
      .def(py::init([](std::string name, const std::string& dtype, std::vector<int64_t> shape, double low, double high,
                       int64_t categories, std::string help) {
             return Field{std::move(name), dtype_from(dtype), std::move(shape), low, high, categories, std::move(help)};
           }),
           py::arg("name"), py::arg("dtype"), py::arg("shape"), py::arg("low"), py::arg("high"),
           py::arg("categories") = 0, py::arg("help") = "")
      .def_readonly("name", &Field::name)
      .def_property_readonly("dtype", [](const Field& f) { return dtype_name(f.dtype); })
      .def_property_readonly("shape", [](const Field& f) { return py::tuple(py::cast(f.shape)); })
      .def_readonly("low", &Field::low)
      .def_readonly("high", &Field::high)
      .def_readonly("categories", &Field::categories)
      .def_readonly("help", &Field::help)
      .def("__repr__", [](const Field& f) {
        return "Field(" + f.name + ": " + dtype_name(f.dtype) +
               py::repr(py::tuple(py::cast(f.shape))).cast<std::string>() + ")";
      });
  py::class_<Option>(m, "Option")
      .def(py::init([](std::string name, std::string type, OptionValue value, double low, double high,
                       std::vector<std::string> choices, std::string help) {
             return Option{std::move(name),    std::move(type), std::move(value), low, high,
                           std::move(choices), std::move(help)};
           }),
           py::arg("name"), py::arg("type"), py::arg("default"), py::arg("low"), py::arg("high"), py::arg("choices"),
           py::arg("help"))
      .def_readonly("name", &Option::name)
      .def_readonly("type", &Option::type)
      .def_readonly("default", &Option::default_value)
      .def_readonly("low", &Option::low)
      .def_readonly("high", &Option::high)
      .def_readonly("choices", &Option::choices)
      .def_readonly("help", &Option::help);
  py::class_<Spec>(m, "Spec")
      .def(py::init([](std::string id, std::string help, std::vector<Option> options, std::vector<Field> observation,
                       std::vector<Field> oracle, std::vector<std::string> actions, int64_t max_episode_steps,
                       const std::vector<py::dict>& variants) {
             std::vector<Options> read;
             for (const py::dict& variant : variants) read.push_back(options_from(variant));
             return Spec{std::move(id),     std::move(help),    std::move(options), std::move(observation),
                         std::move(oracle), std::move(actions), max_episode_steps,  std::move(read)};
           }),
           py::arg("id"), py::arg("help"), py::arg("options"), py::arg("observation"), py::arg("oracle"),
           py::arg("actions"), py::arg("max_episode_steps"), py::arg("variants"))
      .def_readonly("id", &Spec::id)
      .def_readonly("help", &Spec::help)
      .def_readonly("options", &Spec::options)
      .def_readonly("observation", &Spec::observation)
      .def_readonly("oracle", &Spec::oracle)
      .def_readonly("actions", &Spec::actions)
      .def_readonly("max_episode_steps", &Spec::max_episode_steps)
      .def_property_readonly("variants", [](const Spec& spec) {
        py::list result;
        for (const Options& options : spec.variants) result.append(options_to(options));
        return result;
      });
  py::class_<Buffer>(m, "Buffer")
      .def(py::init<std::string, Field>(), py::arg("group"), py::arg("field"))
      .def_readonly("group", &Buffer::group)
      .def_readonly("field", &Buffer::field);

  py::class_<Backend>(m, "Vector")
      .def(py::init(&make_vector), py::arg("id"), py::arg("options"), py::kw_only(), py::arg("num_envs"),
           py::arg("cuda_device") = -1, py::arg("num_threads") = 1, py::arg("first_slot") = 0, py::arg("autoreset") = 0,
           py::arg("history") = false, py::arg("oracle") = false, py::arg("max_episode_steps") = py::none(),
           py::arg("num_levels") = 0)
      .def_property_readonly("spec", &Backend::spec, py::return_value_policy::reference_internal)
      .def("buffers", &Backend::buffers)
      .def("bind",
           [](Backend& self, const std::vector<uintptr_t>& addresses) {
             std::vector<void*> pointers;
             for (const uintptr_t address : addresses) pointers.push_back(reinterpret_cast<void*>(address));
             self.bind(pointers);
           })
      .def(
          "reset",
          [](Backend& self, uintptr_t mask, uintptr_t seeds, std::optional<uint64_t> seed, uintptr_t stream) {
            const ResetRequest request{pointer<uint8_t>(mask), pointer<uint64_t>(seeds), seed.has_value(),
                                       seed.value_or(0)};
            py::gil_scoped_release release;
            self.reset(request, reinterpret_cast<void*>(stream));
          },
          py::arg("mask") = 0, py::arg("seeds") = 0, py::arg("seed") = py::none(), py::arg("stream") = 0)
      .def(
          "step",
          [](Backend& self, uintptr_t stream) {
            FaultReport report;
            {
              py::gil_scoped_release release;
              report = self.step(reinterpret_cast<void*>(stream));
            }
            return fault_to_python(report);
          },
          py::arg("stream") = 0)
      .def(
          "fault",
          [](Backend& self, uintptr_t stream) { return fault_to_python(self.fault(reinterpret_cast<void*>(stream))); },
          py::arg("stream") = 0)
      .def_property_readonly("max_episode_steps", &Backend::max_episode_steps)
      .def_property_readonly("level_bytes", &Backend::level_bytes)
      .def("invalid_slot",
           [](const Backend& self, const py::bytes& state) {
             const std::string_view bytes(state);
             return self.invalid_slot(bytes.data(), bytes.size());
           })
      .def("picture", [](const Backend& self, const py::bytes& state) {
        const std::string_view bytes(state);
        return picture_to_python(self.picture(bytes.data(), bytes.size()));
      });

  m.def("world_ids", &world_ids);
  m.def(
      "spec", [](const std::string& id, const py::dict& options) { return make_spec(id, options_from(options)); },
      py::arg("id"), py::arg("options") = py::dict());
  m.def(
      "read_options",
      [](const std::string& owner, const std::vector<Option>& known, const py::dict& given) {
        return options_to(read_options(owner, known, options_from(given)));
      },
      py::arg("owner"), py::arg("known"), py::arg("given"));
  m.def("instruction_sets", &instruction_sets, "Instruction sets usable here, best last.");
  m.def("instruction_set", &instruction_set, "The one the CPU loops use.");
  m.def("use_instruction_set", &use_instruction_set, py::arg("name"));
  m.def("cuda_status", [] {
    const CudaStatus status = cuda_status();
    return py::make_tuple(status.compiled, status.devices, status.reason);
  });
#ifdef MESA_CUDA_ARCHITECTURES
  m.attr("CUDA_ARCHITECTURES") = MESA_CUDA_ARCHITECTURES;
#else
  m.attr("CUDA_ARCHITECTURES") = "";
#endif

  m.attr("BUILD") = build();

  // The building blocks of every world's story, for tests against published values.
  m.def("philox4x32_10", [](std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
    const Block block = philox4x32_10({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    return std::array<uint32_t, 4>{block.word[0], block.word[1], block.word[2], block.word[3]};
  });
  m.def("sha256", [](const py::bytes& message) {
    const std::string_view bytes = message;
    const Sha256 digest = sha256(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size()));
    return std::vector<uint32_t>(digest.word, digest.word + 8);
  });
  m.def("portable_log", py::vectorize([](double x) { return portable_log(x); }));
  m.def("portable_exp", py::vectorize([](double x) { return portable_exp(x); }));
  m.def("normal_quantile", py::vectorize([](double p) { return normal_quantile(p); }));
  m.def("beta_draws", [](double a, double b, uint64_t seed, int64_t count) {
    check_range("count", count, 0, 1 << 20);
    for (const auto& [name, value] : {std::pair{"a", a}, {"b", b}}) {
      if (value > 0.0 && value <= 1e300) continue;  // not NaN either, for which a draw would never end
      throw std::invalid_argument(std::string(name) + ": got " + std::to_string(value) + ", allowed: above 0, finite");
    }
    py::array_t<double> out(count);
    Rng rng({seed, 0, 0}, Purpose::kTask);
    for (int64_t i = 0; i < count; ++i) out.mutable_at(i) = rng.beta(a, b);
    return out;
  });

#if defined(MESA_EMULATED_CUDA)
  m.def("run_planted", &run_planted, py::arg("name"), "A kernel with a known fault, for tests of the emulator.");
  m.def("current_device", &current_device, "The emulated device that is this thread's current one.");
  m.def("use_device", &use_device, py::arg("device"), "Makes it another.");
#endif

  bind_solvers(m);
  bind_mazes(m);
  bind_curriculum(m);
  bind_tours(m);
  bind_heuristics(m);
  bind_tour_data(m);
  bind_sequences(m);
  bind_regression(m);
  bind_network(m);
}
