// Threads at work on everything at once, without Python: for ThreadSanitizer, and AddressSanitizer with
// UndefinedBehaviorSanitizer (bench/sanitize.py). What several threads make must be what one makes; a difference ends
// the program. `threads [--quick] [INSTRUCTION SET]`; without a set, each kind of loop runs on its own. `threads
// --sets` lists those of this machine; `threads --plant race` (or overflow, undefined, leak) has a fault that a
// sanitizer must find.
#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>

#include "../backends/hand_out.h"
#include "maze_jobs.h"
#include "network_jobs.h"
#include "owned_batch.h"
#include "problem_jobs.h"
#include "tour_jobs.h"

using namespace mesa;

namespace {

constexpr int kThreads = 3, kUsers = 3;
constexpr int64_t kSlots = 150;  // more than a cache line of slots each for three threads

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

// Several users at once, each making, stepping and destroying worlds of its own, and all naming the instruction set.
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

// A search that is told to stop from another thread, as an interrupt or a time limit does.
void a_search_hears_stop() {
  const int64_t count = 12;
  const int32_t n = 60;
  const std::vector<double> points = drawn_points(count, n, 1);
  SolvedTours solved(points, count, n, TourMethod::kBranchAndBound);
  uint8_t stop = 0;
  solved.job.node_limit = INT64_MAX;
  solved.job.stop = &stop;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    __atomic_store_n(&stop, uint8_t{1}, __ATOMIC_RELAXED);
  });
  run_on_cpu(solved.job, count, kThreads);
  other.join();
  for (size_t i = 0; i < solved.bound.size(); ++i)
    require(solved.bound[i] <= solved.length[i], "what was stopped has a bound");
}

void jobs_do_not_depend_on_threads(int64_t count) {
  const std::function<uint64_t(int)> jobs[] = {
      [=](int threads) { return maze_jobs(threads, count); },
      [=](int threads) { return maze_agents(threads, count); },
      [=](int threads) { return tour_jobs(threads, count, 10); },
      [=](int threads) { return tour_jobs(threads, std::max<int64_t>(count / 16, 4), 30); },
      [=](int threads) { return greedy_hard_jobs(threads, count); },
      [=](int threads) { return sequence_jobs(threads, count); },
      [=](int threads) { return regression_jobs(threads, count); },
      [=](int threads) { return curriculum_jobs(threads, count); },
      [=](int threads) { return network_jobs(threads, count + 100, false); },
      [=](int threads) { return network_jobs(threads, count + 100, true); },
  };
  std::vector<uint64_t> alone;
  for (const auto& job : jobs) alone.push_back(job(1));
  require_maze_jobs_tried();
  require_tour_jobs_tried();
  require_problem_jobs_tried();
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

// What a sanitizer must find.
void plant(const std::string& fault) {
  if (fault == "race") {
    int64_t sum = 0;
    Team(2).run([&](int part) {
      for (int i = 0; i < 1000; ++i) sum += part;
    });
    printf("planted race: %lld\n", static_cast<long long>(sum));
  } else if (fault == "overflow") {
    OwnedBatch batch("Corridor-v0", {}, settings_of(1, Autoreset::kNextStep));
    volatile uint8_t* beyond = batch.state() + batch.state_bytes();
    printf("planted overflow: %d\n", *beyond);
  } else if (fault == "undefined") {
    volatile int32_t most = INT32_MAX;
    printf("planted undefined: %d\n", most + 1);
  } else if (fault == "leak") {
    Team(2).run([](int) {  // of threads that are gone at the end, and with them what pointed there
      volatile uint8_t* lost = new uint8_t[4096];
      lost[0] = 1;
    });
  } else {
    fprintf(stderr, "--plant: got %s, allowed: race, overflow, undefined, leak\n", fault.c_str());
    exit(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> given(argv + 1, argv + argc);
  if (given.size() == 2 && given[0] == "--plant") {
    plant(given[1]);
    return 0;
  }
  if (given.size() == 1 && given[0] == "--sets") {
    for (const std::string& set : instruction_sets()) printf("%s\n", set.c_str());
    return 0;
  }
  const bool quick = !given.empty() && given[0] == "--quick";
  if (quick) given.erase(given.begin());
  if (!given.empty()) use_instruction_set(given[0]);
  const auto check = [](const char* what, const std::function<void()>& body) {
    const auto begun = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    printf("%-40s %6.1f s\n", what, took.count());
    fflush(stdout);
  };
  check("exceptions of workers", exceptions_come_to_the_caller);
  check("worlds, 1 and 3 threads", [&] { worlds_do_not_depend_on_threads(!quick, quick ? 6 : 30); });
  check("worlds of several users", [&] { users_do_not_disturb_each_other(quick ? 4 : 30); });
  check("one world, several users", [&] { a_shared_world_refuses_a_second_user(quick ? 200 : 5000); });
  check("jobs of several users", [&] { jobs_do_not_depend_on_threads(quick ? 40 : 400); });
  check("a search told to stop", a_search_hears_stop);
  return 0;
}
