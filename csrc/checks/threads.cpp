// Threads at work on everything at once, without Python: for ThreadSanitizer, and AddressSanitizer with
// UndefinedBehaviorSanitizer (bench/sanitize.py). What several threads make must be what one makes; a difference ends
// the program with 1. A fault can be compiled in, to see a sanitizer find it: MESA_PLANT_RACE, MESA_PLANT_OVERFLOW,
// MESA_PLANT_UNDEFINED.
#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>

#include "../backends/hand_out.h"
#include "../backends/job_backend.h"
#include "../curriculum/jobs.h"
#include "../maze/jobs.h"
#include "../network/ppo_update.h"
#include "../regression/jobs.h"
#include "../sequence/jobs.h"
#include "../tsp/data_jobs.h"
#include "../tsp/heuristic_jobs.h"
#include "../tsp/jobs.h"
#include "input.h"
#include "owned_batch.h"

using namespace mesa;

namespace {

constexpr int kThreads = 3, kUsers = 3;
constexpr int64_t kSlots = 150;  // more than a cache line of slots each for three threads

uint64_t hash_of(const void* bytes, size_t count) {
  uint64_t h = 14695981039346656037u;  // FNV-1a
  for (size_t k = 0; k < count; ++k) h = (h ^ static_cast<const uint8_t*>(bytes)[k]) * 1099511628211u;
  return h;
}
template <class T>
uint64_t hash_of(const std::vector<T>& made) {
  return hash_of(made.data(), made.size() * sizeof(T));
}

// Worlds

Settings settings_of(int threads, Autoreset autoreset) {
  Settings settings;
  settings.num_envs = kSlots;
  settings.num_threads = threads;
  settings.autoreset = autoreset;
  settings.history = settings.oracle = true;
  settings.max_episode_steps = -1;
  return settings;
}

// Resets, steps, saves, steps on; restores and steps again to the same memory.
uint64_t story(const std::string& id, const Options& options, int threads, Autoreset autoreset, int64_t steps) {
  OwnedBatch batch(id, options, settings_of(threads, autoreset));
  batch.reset(7);
  batch.step(steps, 1);
  const std::vector<uint8_t> saved(batch.state(), batch.state() + batch.state_bytes());
  batch.step(steps, 2);
  const uint64_t end = hash_of(batch.state(), batch.state_bytes());
  require(batch.backend().invalid_slot(saved.data(), saved.size()) < 0, "a state that was saved is valid");
  memcpy(batch.state(), saved.data(), saved.size());
  batch.step(steps, 2);
  require(end == hash_of(batch.state(), batch.state_bytes()), "a restored state goes on as it did");
  batch.backend().picture(batch.state(), batch.state_bytes() / kSlots);
  std::vector<uint8_t> mask(static_cast<size_t>(kSlots));
  for (size_t slot = 0; slot < mask.size(); ++slot) mask[slot] = slot % 3 == 0;
  ResetRequest some;
  some.mask = mask.data();
  batch.backend().reset(some, nullptr);
  return batch.hash();
}

void worlds_do_not_depend_on_threads(bool every_variant, int64_t steps) {
  for (const std::string& id : world_ids()) {
    auto variants = make_spec(id, {}).variants;
    variants.push_back({});
    for (size_t v = 0; v < variants.size(); ++v) {
      if (!every_variant && v > 0 && v + 1 < variants.size()) continue;
      const auto autoreset = static_cast<Autoreset>(v % 2);
      const uint64_t alone = story(id, variants[v], 1, autoreset, steps);
      require(alone == story(id, variants[v], kThreads, autoreset, steps), "a world does not depend on threads");
    }
  }
}

// Several users at once, each making, stepping and destroying worlds of its own, and all changing the instruction set.
void users_do_not_disturb_each_other(int64_t steps) {
  const auto ids = world_ids();
  std::vector<uint64_t> alone;
  for (const std::string& id : ids) alone.push_back(story(id, {}, 1, Autoreset::kNextStep, steps));
  const std::string set = instruction_set();
  std::vector<std::thread> users;
  for (size_t user = 0; user < kUsers; ++user) {
    users.emplace_back([&, user] {
      for (size_t k = 0; k < ids.size(); ++k) {
        const size_t world = (k + user * 2) % ids.size();
        use_instruction_set(set);
        require(alone[world] == story(ids[world], {}, 2, Autoreset::kNextStep, steps), "users do not disturb a world");
      }
    });
  }
  for (std::thread& user : users) user.join();
}

// One world, several users: a call made while another runs is refused, and none is half done.
void a_shared_world_refuses_a_second_user(int64_t steps) {
  OwnedBatch batch("Maze-v0", {}, settings_of(kThreads, Autoreset::kNextStep));
  batch.reset(1);
  for (int64_t slot = 0; slot < batch.num_envs(); ++slot) batch.actions()[slot] = 1;
  std::atomic<int64_t> taken{0}, refused{0};
  std::vector<std::thread> users;
  for (int user = 0; user < kUsers; ++user) {
    users.emplace_back([&] {
      for (int64_t t = 0; t < steps; ++t) {
        try {
          batch.backend().step(nullptr);
          ++taken;
        } catch (const std::runtime_error&) {
          ++refused;
        }
      }
    });
  }
  for (std::thread& user : users) user.join();
  OwnedBatch twin("Maze-v0", {}, settings_of(1, Autoreset::kNextStep));
  twin.reset(1);
  for (int64_t slot = 0; slot < twin.num_envs(); ++slot) twin.actions()[slot] = 1;
  for (int64_t t = 0; t < taken; ++t) twin.backend().step(nullptr);
  require(twin.hash() == batch.hash(), "a refused step changes nothing");
  require(taken + refused == kUsers * steps, "every step is taken or refused");
}

// Jobs

uint64_t maze_jobs(int threads, int64_t count) {
  uint64_t made = 0;
  for (int32_t algorithm = 0; algorithm < 13; ++algorithm) {
    Layout layout;
    layout.rows = 9;
    layout.cols = 11;
    layout.algorithm = algorithm;
    std::vector<uint8_t> bits(static_cast<size_t>(count * Lattice::bytes_of(9, 11)));
    GenerateMazes job{{bits.data(), 9, 11}, layout, 3, 5, {}};
    job.table.fill(layout);
    run_on_cpu(job, count, threads);
    std::vector<int32_t> goal(static_cast<size_t>(count), 50), distance(static_cast<size_t>(count * 99));
    run_on_cpu(MazeDistances{{}, job.mazes, goal.data(), distance.data()}, count, threads);
    made = made * 31 + hash_of(bits) + hash_of(distance);
  }
  return made;
}

uint64_t tour_jobs(int threads, int64_t count, int32_t n) {
  std::vector<double> points(static_cast<size_t>(count * n * 2));
  DrawTours draw{};
  draw.law.n = n;
  draw.drawn = points.data();
  run_on_cpu(draw, count, threads);
  const size_t each = static_cast<size_t>(count);
  uint64_t made = hash_of(points);
  for (const TourMethod method : {TourMethod::kAuto, TourMethod::kBranchAndBound, TourMethod::kBranchAndCut}) {
    std::vector<int32_t> order(each * static_cast<size_t>(n)), how(each);
    std::vector<double> length(each), bound(each);
    std::vector<uint8_t> optimal(each);
    std::vector<int64_t> nodes(each), one_trees(each), cuts(each);
    SolveTours job{};
    job.problems = {points.data(), nullptr, n, Metric::kEuclidean};
    job.found = {order.data(), length.data(),    bound.data(), optimal.data(),
                 nodes.data(), one_trees.data(), cuts.data(),  how.data()};
    job.method = method;
    job.node_limit = 100;
    job.beyond = &branch_and_cut;
    run_on_cpu(job, count, threads);
    made = made * 31 + hash_of(order) + hash_of(nodes);
  }
  std::vector<int32_t> order(each * static_cast<size_t>(n));
  std::vector<double> length(each);
  std::vector<int64_t> number(each);
  for (size_t i = 0; i < each; ++i) number[i] = static_cast<int64_t>(i);
  ImproveTours improve{};
  improve.problems = {points.data(), nullptr, n, Metric::kEuclidean};
  improve.found = {order.data(), length.data()};
  improve.number = number.data();
  improve.method = Improvement::kLocalSearch;
  improve.neighbours = 6;
  improve.kicks = 20;
  improve.keep_best = true;
  run_on_cpu(improve, count, threads);
  return made * 31 + hash_of(order);
}

// A search that is told to stop from another thread, as an interrupt or a time limit does.
void a_search_hears_stop() {
  const int64_t count = 12;
  const int32_t n = 60;
  std::vector<double> points(static_cast<size_t>(count * n * 2));
  DrawTours draw{};
  draw.law.n = n;
  draw.drawn = points.data();
  run_on_cpu(draw, count, 1);
  std::vector<int32_t> order(static_cast<size_t>(count * n)), how(count);
  std::vector<double> length(count), bound(count);
  std::vector<uint8_t> optimal(count);
  std::vector<int64_t> nodes(count), one_trees(count), cuts(count);
  uint8_t stop = 0;
  SolveTours job{};
  job.problems = {points.data(), nullptr, n, Metric::kEuclidean};
  job.found = {order.data(), length.data(),    bound.data(), optimal.data(),
               nodes.data(), one_trees.data(), cuts.data(),  how.data()};
  job.method = TourMethod::kBranchAndBound;
  job.node_limit = INT64_MAX;
  job.stop = &stop;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    __atomic_store_n(&stop, uint8_t{1}, __ATOMIC_RELAXED);
  });
  run_on_cpu(job, count, kThreads);
  other.join();
  for (int64_t i = 0; i < count; ++i)
    require(bound[static_cast<size_t>(i)] <= length[static_cast<size_t>(i)], "what was stopped has a bound");
}

uint64_t sequence_jobs(int threads, int64_t count) {
  sequence::GenerateSequences job{};
  job.length = 40;
  std::vector<uint8_t> symbols(static_cast<size_t>(count * job.length));
  std::vector<float> oracle(static_cast<size_t>(count * job.length));
  job.symbols = symbols.data();
  job.oracle_log = oracle.data();
  run_on_cpu(job, count, threads);
  return hash_of(symbols) + hash_of(oracle);
}

uint64_t regression_jobs(int threads, int64_t count) {
  RegressionLaw law{};
  law.dim = 5;
  law.points = 8;
  const size_t each = static_cast<size_t>(count);
  std::vector<int32_t> task(each);
  std::vector<float> w(each * 5), x(each * 40), y(each * 8);
  run_on_cpu(DrawRegressions{law, 1, 0, task.data(), w.data(), x.data(), y.data()}, count, threads);
  return hash_of(w) + hash_of(x) + hash_of(y);
}

uint64_t curriculum_jobs(int threads, int64_t count) {
  const size_t each = static_cast<size_t>(count);
  std::vector<int64_t> weights(each * 20), profits(each * 20), capacity(each), value(each), nodes(each);
  std::vector<int8_t> answer(each * 20);
  std::vector<uint8_t> feasible(each), optimal(each);
  GenerateProblems<Knapsack> draw{};
  draw.size = Knapsack::size(20, {});
  draw.arrays = {weights.data(), profits.data(), capacity.data()};
  run_on_cpu(draw, count, threads);
  SolveProblems<Knapsack> solve{};
  solve.size = draw.size;
  solve.arrays = draw.arrays;
  solve.found = {answer.data(), value.data(), nodes.data(), feasible.data(), optimal.data()};
  solve.node_limit = 10000;
  run_on_cpu(solve, count, threads);
  return hash_of(answer) + hash_of(nodes);
}

// A layer forward and back, and a minibatch of PPO, of sizes that fill no vector.
uint64_t network_jobs(int threads, int64_t slots, bool lstm) {
  const LayerShape shape{5, slots, 7, 11, lstm};
  const int64_t actions = 3, samples = shape.steps * slots, gates = shape.gates() * shape.hidden;
  uint32_t state = 1;
  const auto drawn = [&](int64_t count) {
    std::vector<float> numbers(static_cast<size_t>(count));
    for (float& number : numbers) {
      state = state * 1664525u + 1013904223u;
      number = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
    }
    return numbers;
  };
  const auto input = drawn(gates * shape.inputs), by_state = drawn(gates * shape.hidden), bias = drawn(gates);
  const auto x = drawn(samples * shape.inputs), carry = drawn(slots * shape.carry());
  const auto by_output = drawn(samples * shape.hidden), by_cell = drawn(slots * shape.hidden);
  std::vector<uint8_t> is_first(static_cast<size_t>(samples));
  for (size_t k = 0; k < is_first.size(); ++k) is_first[k] = k % 7 == 0;
  const LayerWeights<float> weights{input.data(), by_state.data(), bias.data(), bias.data()};
  const LayerRun<float> run{x.data(), is_first.data(), carry.data(), slots, nullptr};
  auto output = by_output, kept = drawn(samples * shape.kept()), cell = by_cell;
  const LayerMade<float> made{output.data(), kept.data(), lstm ? cell.data() : nullptr, slots};
  run_layer(shape, weights, run, made, threads);
  auto of_x = x, of_carry = carry, of_input = input, of_state = by_state, of_bias = bias, of_other = bias;
  const LayerGradients<float> gradients{by_output.data(), lstm ? by_cell.data() : nullptr,
                                        of_x.data(),      of_carry.data(),
                                        of_input.data(),  of_state.data(),
                                        of_bias.data(),   of_other.data()};
  layer_gradients(shape, weights, run, made, gradients, threads);
  uint64_t hash = hash_of(output) + hash_of(of_x) + hash_of(of_carry) + hash_of(of_input) + hash_of(of_state);

  LayerShape half = shape;
  half.slots = slots / 2;
  std::vector<int64_t> slot(static_cast<size_t>(half.slots)), action(static_cast<size_t>(samples));
  for (size_t k = 0; k < slot.size(); ++k) slot[k] = static_cast<int64_t>(2 * k);
  for (size_t k = 0; k < action.size(); ++k) action[k] = static_cast<int64_t>(k % 3);
  const auto log_prob = drawn(samples), advantage = drawn(samples), target = drawn(samples);
  const auto policy = drawn(actions * shape.hidden), value = drawn(shape.hidden), policy_bias = drawn(actions);
  PPOUpdate update{half,
                   run,
                   {shape.steps, slots, half.slots, actions, 0.2, 0.5, 1.0, 0.01},
                   {slot.data(), action.data(), log_prob.data(), advantage.data(), target.data()},
                   nullptr};
  update.run.slot = slot.data();
  auto of_policy = policy, of_policy_bias = policy_bias, of_value = value, of_value_bias = drawn(1);
  ppo_update(update, weights, {policy.data(), policy_bias.data(), value.data(), policy_bias.data()}, gradients,
             {of_policy.data(), of_policy_bias.data(), of_value.data(), of_value_bias.data()}, threads);
  return hash * 31 + hash_of(of_input) + hash_of(of_policy) + hash_of(of_value);
}

void jobs_do_not_depend_on_threads(int64_t count) {
  const std::function<uint64_t(int)> jobs[] = {
      [=](int threads) { return maze_jobs(threads, count); },
      [=](int threads) { return tour_jobs(threads, count, 10); },
      [=](int threads) { return tour_jobs(threads, std::max<int64_t>(count / 16, 4), 30); },
      [=](int threads) { return sequence_jobs(threads, count); },
      [=](int threads) { return regression_jobs(threads, count); },
      [=](int threads) { return curriculum_jobs(threads, count); },
      [=](int threads) { return network_jobs(threads, count + 100, false); },
      [=](int threads) { return network_jobs(threads, count + 100, true); },
  };
  std::vector<uint64_t> alone;
  for (const auto& job : jobs) alone.push_back(job(1));
  std::vector<std::thread> users;  // who share the team of threads that is kept, or make their own
  for (size_t user = 0; user < kUsers; ++user) {
    users.emplace_back([&, user] {
      for (size_t k = 0; k < alone.size(); ++k) {
        const size_t which = (k + user) % alone.size();
        require(alone[which] == jobs[which](kThreads), "a job does not depend on threads");
      }
    });
  }
  for (std::thread& user : users) user.join();
}

// Exceptions of worker threads come to the caller, one of them, and the team goes on.
void exceptions_come_to_the_caller() {
  Team team(kThreads);
  for (int thrower = -1; thrower <= kThreads; ++thrower) {  // none; each; all
    bool caught = false;
    try {
      team.run([&](int part) {
        if (part == thrower || thrower == kThreads) throw std::runtime_error("thrown by a part");
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    require(caught == (thrower >= 0), "an exception comes to the caller");
  }
  for (int round = 0; round < 20; ++round) {
    bool caught = false;
    try {
      hand_out(100, kThreads, 4, 64, [&](int64_t begin, int64_t end, Scratch) {
        if (begin <= 50 && 50 < end) throw std::bad_alloc();
      });
    } catch (const std::bad_alloc&) {
      caught = true;
    }
    require(caught, "a job's exception comes to the caller");
  }
}

// What a sanitizer must find, if it is compiled in.
void planted() {
#if defined(MESA_PLANT_RACE)
  int64_t sum = 0;
  Team(2).run([&](int part) {
    for (int i = 0; i < 1000; ++i) sum += part;
  });
  printf("planted race: %lld\n", static_cast<long long>(sum));
#elif defined(MESA_PLANT_OVERFLOW)
  OwnedBatch batch("Corridor-v0", {}, settings_of(1, Autoreset::kNextStep));
  volatile uint8_t* beyond = batch.state() + batch.state_bytes();
  printf("planted overflow: %d\n", *beyond);
#elif defined(MESA_PLANT_UNDEFINED)
  volatile int32_t most = INT32_MAX;
  printf("planted undefined: %d\n", most + 1);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";
  const auto check = [](const char* what, const std::function<void()>& body) {
    const auto begun = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    printf("%-40s %6.1f s\n", what, took.count());
    fflush(stdout);
  };
  check("planted faults", planted);
  check("exceptions of workers", exceptions_come_to_the_caller);
  check("worlds, 1 and 3 threads", [&] { worlds_do_not_depend_on_threads(!quick, quick ? 6 : 30); });
  check("worlds of several users", [&] { users_do_not_disturb_each_other(quick ? 4 : 30); });
  check("one world, several users", [&] { a_shared_world_refuses_a_second_user(quick ? 200 : 5000); });
  check("jobs of several users", [&] { jobs_do_not_depend_on_threads(quick ? 40 : 400); });
  check("a search told to stop", a_search_hears_stop);
  return 0;
}
