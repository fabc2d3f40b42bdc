#include "process/children.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "shm/processes.h"

namespace banyan::process {
namespace {

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("was ended by signal {} ({}){}", WTERMSIG(status), strsignal(WTERMSIG(status)),
                       WCOREDUMP(status) ? ", core dumped" : "");
  }
  return fmt::format("exited with code {}", WEXITSTATUS(status));
}

}  // namespace

std::string place_name(uint32_t place) {
  if (place == shm::kControllerSlot) return "controller";
  return fmt::format("worker {}", place - shm::kFirstWorkerSlot);
}

Children::Child::Child(Children& owner_children, uint32_t its_place, pid_t its_pid, Fd channel_fd)
    : owner(owner_children),
      place(its_place),
      pid(its_pid),
      channel(owner.loop_, std::move(channel_fd), Channel::Side::master, *this),
      grace(owner.loop_, Callback::to<&Child::on_grace_over>(this)) {}

void Children::Child::on_message(Message message) {
  owner.observer_.on_child_message(place, std::move(message));
}

// It is on its way out and may end by itself, with a code that says why; or it does not speak our language.
// In both cases SIGCHLD tells the rest.
void Children::Child::on_channel_closed() {
  constexpr auto kGrace = std::chrono::milliseconds(200);
  grace.start(kGrace);
}

// Not reaped yet, so the number is still this child's.
void Children::Child::on_grace_over() {
  if (pid > 0) ::kill(pid, SIGKILL);
}

Children::Place::Place(Children& owner_children, uint32_t its_number)
    : owner(owner_children), number(its_number), timer(owner.loop_, Callback::to<&Place::on_timer>(this)) {}

void Children::Place::on_timer() { owner.spawn_unless_held(*this); }

Children::Children(event::Loop& loop, shm::Segment& segment, Observer& observer)
    : loop_(loop), segment_(segment), retirement_(segment), observer_(observer) {}

Children::~Children() = default;

void Children::keep_alive(uint32_t number) {
  auto& place = places_[number];
  if (!place) place = std::make_unique<Place>(*this, number);
  place->wanted = true;
  if (!place->child && !place->timer.running()) spawn_unless_held(*place);
}

void Children::let_go(uint32_t number) {
  if (Place* place = find(number)) {
    place->wanted = false;
    place->timer.stop();
  }
}

void Children::let_all_go() {
  for (auto& [number, place] : places_) let_go(number);
}

void Children::start_waiting() {
  for (auto& [number, place] : places_) {
    if (place->timer.running()) place->timer.start(Duration::zero());
  }
}

void Children::spawn_unless_held(Place& place) {
  constexpr auto kLater = std::chrono::milliseconds(50);
  if (held_) return place.timer.start(kLater);
  spawn(place);
}

// Signals are held back from before the fork until the child has made its own arrangements: a signal between
// would be handled in the child with the master's.
void Children::spawn(Place& place) {
  auto pair = Channel::make_pair();
  if (!pair) {
    LOG(error, "cannot start {}: {}", place_name(place.number), pair.error().message);
    return retry_later(place);
  }
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  std::fflush(nullptr);
  pid_t pid = fork();
  if (pid == 0) {
    pair->first.reset();
    begin_life(place.number, std::move(pair->second));
  }
  int error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    LOG(error, "cannot start {}: fork: {}", place_name(place.number), std::strerror(error));
    return retry_later(place);
  }
  adopt(place, pid, std::move(pair->first));
}

void Children::adopt(Place& place, pid_t pid, Fd channel) {
  place.child = std::make_unique<Child>(*this, place.number, pid, std::move(channel));
  if (place.births++ == 0) return;
  segment_.layout().processes[place.number].restarts.fetch_add(1, std::memory_order_relaxed);
  LOG(notice, "{} is process {} now", place_name(place.number), pid);
}

// Never returns into the master's calls below: their objects are copies that nobody may use, or destroy.
void Children::begin_life(uint32_t place, Fd channel) {
  int code = observer_.live(place, std::move(channel));
  std::fflush(nullptr);
  _exit(code);
}

void Children::retry_later(Place& place) { place.timer.start(std::chrono::seconds(1)); }

void Children::send(uint32_t number, Message message) {
  Place* place = find(number);
  if (place && place->child) place->child->channel.send(std::move(message));
}

void Children::set_state(uint32_t number, State state) {
  Place* place = find(number);
  if (!place || !place->child) return;
  place->child->state = state;
  if (state == State::draining) shm::set_process_state(segment_, number, shm::ProcessState::draining);
}

void Children::kill(uint32_t number, int signal) {
  Place* place = find(number);
  if (place && place->child) ::kill(place->child->pid, signal);
}

void Children::reap() {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    auto found = std::find_if(places_.begin(), places_.end(), [pid](const auto& entry) {
      return entry.second->child && entry.second->child->pid == pid;
    });
    if (found != places_.end()) {
      bury(*found->second, status);
    } else {
      observer_.on_other_death(pid, status);
    }
  }
}

void Children::bury(Place& place, int status) {
  place.child->channel.receive_rest();  // why it ended may be in its last words
  State last_state = place.child->state;
  std::string what =
      fmt::format("{} (process {}) {}", place_name(place.number), place.child->pid, how_it_ended(status));
  place.child->pid = 0;
  loop_.dispose(std::move(place.child));
  retirement_.retire_slot(place.number);
  observer_.on_child_death(place.number, last_state, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (place.wanted && !place.child && !(last_state == State::draining && clean)) return replace(place, what);
  if (!clean) LOG(warn, "{}", what);
  if (place.wanted && !place.child) spawn_unless_held(place);
}

void Children::replace(Place& place, const std::string& what) {
  Duration pause = place.backoff.on_death(loop_.now());
  if (pause > Duration::zero()) {
    LOG(error, "{}; it dies again and again, the next one starts in {} ms", what,
        std::chrono::duration_cast<Millis>(pause).count());
    place.timer.start(pause);
  } else {
    LOG(error, "{}; starting another one", what);
    spawn_unless_held(place);
  }
}

std::vector<uint32_t> Children::living() const {
  std::vector<uint32_t> numbers;
  for (const auto& [number, place] : places_) {
    if (place->child) numbers.push_back(number);
  }
  return numbers;
}

std::vector<uint32_t> Children::living_workers() const {
  std::vector<uint32_t> numbers = living();
  std::erase(numbers, shm::kControllerSlot);
  return numbers;
}

bool Children::alive(uint32_t number) const {
  Place* place = find(number);
  return place && place->child;
}

Children::State Children::state(uint32_t number) const {
  CHECK(alive(number));
  return find(number)->child->state;
}

Children::Place* Children::find(uint32_t number) const {
  auto found = places_.find(number);
  return found == places_.end() ? nullptr : found->second.get();
}

}  // namespace banyan::process
