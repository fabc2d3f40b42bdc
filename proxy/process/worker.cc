#include "process/worker.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"

namespace banyan::process {
namespace {

// How long a draining worker goes on accepting those who were in the kernel's queue before.
constexpr Duration kLongestQueue = std::chrono::milliseconds(200);
// How long connections that were cut may take to be cleared away.
constexpr Duration kCutTime = std::chrono::milliseconds(500);

size_t connection_limit(const config::Config& config) {
  if (config.worker_connections) return config.worker_connections;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_cur / 10 * 9;
}

}  // namespace

Worker::Worker(Child& child)
    : child_(child),
      loop_(child.workplace().loop()),
      rates_(child.workplace().segment()),
      in_flight_(child.workplace().segment(), child.place()),
      rollouts_(child.workplace().segment(), child.place()),
      front_({loop_, child.workplace().buffers(), child.workplace().counters(), rates_, in_flight_, rollouts_,
              *this, static_cast<int>(child.place() - shm::kFirstWorkerSlot), child.worker_count(),
              Callback::to<&Worker::on_clients_changed>(this)}),
      quiet_timer_(loop_, Callback::to<&Worker::close_doors_when_quiet>(this)),
      cut_timer_(loop_, Callback::to<&Worker::cut_all>(this)),
      clients_(loop_, child.workplace().buffers(), front_, *this) {}

Worker::~Worker() = default;

void Worker::on_generation(std::shared_ptr<Generation> generation, const NamedFds& sockets) {
  generation_ = std::move(generation);
  front_.switch_to(generation_->site());
  access_log_ = child_.logs().find(generation_->config().log.access.path);
  most_clients_ = connection_limit(generation_->config());
  if (!draining_) open_doors(sockets);
}

void Worker::open_doors(const NamedFds& sockets) {
  std::erase_if(doors_, [this](const auto& entry) { return !generation_->find_door(entry.first); });
  for (const config::Listener& listener : generation_->config().listeners) {
    std::string address = listener.address.text();
    auto socket = sockets.find(address);
    CHECK(socket != sockets.end());
    auto& door = doors_[address];
    if (!door)
      door = std::make_unique<Door>(loop_, socket->second.get(), address, static_cast<Door::Owner&>(*this));
    door->expect_proxy_header(listener.proxy_protocol, generation_->config().client.timeouts.tls_handshake);
  }
  open_or_pause();
}

// ---------------------------------------------------------------- clients

void Worker::on_client(Door& door, int fd, const net::IpAddress& peer) {
  const Generation::Listening* listening = generation_->find_door(door.address());
  CHECK(listening);
  child_.workplace().counters().counter(shm::Metric::connections_accepted).add();
  clients_.add(
      listening->tls ? net::make_tls_stream(loop_, fd, *listening->tls) : net::make_plain_stream(loop_, fd),
      peer, listening->listener->address.port);
}

void Worker::on_clients_changed() {
  child_.slot().connections.store(connections(), std::memory_order_relaxed);
  bool full = connections() >= most_clients_;
  if (full != full_) open_or_pause();
  finish_if_empty();
}

// Who cannot be served waits in the kernel's queue, where other workers find him.
void Worker::open_or_pause() {
  bool was_full = full_;
  full_ = connections() >= most_clients_;
  if (full_ && !was_full)
    LOG(warn, "worker_connections ({}) reached: new clients have to wait", most_clients_);
  for (auto& [address, door] : doors_) {
    if (full_) {
      door->pause();
    } else if (!door->open()) {
      LOG(error, "{} cannot be watched: out of memory or watches", address);
    }
  }
}

void Worker::write_access(std::string_view line) {
  if (access_log_) access_log_->write(line);
}

void Worker::on_second() { child_.slot().requests.store(front_.requests(), std::memory_order_relaxed); }

// ---------------------------------------------------------------- the end

void Worker::on_drain(Millis time) {
  if (draining_) return;
  draining_ = true;
  front_.set_draining(true);
  clients_.drain();
  generation_->drain(time);
  cut_timer_.start(time);
  closing_since_ = loop_.now();
  close_doors_when_quiet();
}

// The socket stays open while others use it, so those who come later are theirs.
void Worker::close_doors_when_quiet() {
  bool quiet =
      std::all_of(doors_.begin(), doors_.end(), [](const auto& entry) { return entry.second->quiet(); });
  if (!quiet && loop_.now() - closing_since_ < kLongestQueue) return quiet_timer_.start(Millis(1));
  doors_.clear();
  child_.close_sockets();
  finish_if_empty();
}

void Worker::on_stop() {
  draining_ = true;
  quiet_timer_.stop();
  doors_.clear();
  cut_all();
}

void Worker::cut_all() {
  if (cut_ || clients_.count() == 0) return child_.finish();
  cut_ = true;
  clients_.cut();
  cut_timer_.start(kCutTime);
}

void Worker::finish_if_empty() {
  if (draining_ && doors_.empty() && connections() == 0) child_.finish();
}

}  // namespace banyan::process
