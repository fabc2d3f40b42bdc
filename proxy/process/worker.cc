#include "process/worker.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/stable_hash.h"
#include "net/socket_io.h"
#include "process/descriptors.h"

namespace banyan::process {
namespace {

// How long a draining worker goes on accepting those who were in the kernel's queue before.
constexpr Duration kLongestQueue = std::chrono::milliseconds(200);
// How often some connections are closed in a paced drain.
constexpr Millis kPace{100};
// How long connections that were cut may take to be cleared away.
constexpr Duration kCutTime = std::chrono::milliseconds(500);

uint64_t address_key(const net::IpAddress& peer, std::string_view what) {
  const auto bytes = peer.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return stable_hash(text, stable_hash(what));
}

}  // namespace

Worker::Worker(Child& child)
    : child_(child),
      loop_(child.workplace().loop()),
      rates_(child.workplace().segment()),
      in_flight_(child.workplace().segment(), child.place()),
      rollouts_(child.workplace().segment(), child.place()),
      overload_(loop_, child.memory()),
      front_({loop_, child.workplace().buffers(), child.workplace().counters(), rates_, in_flight_, rollouts_,
              *this, static_cast<int>(child.place() - shm::kFirstWorkerSlot), child.worker_count(),
              Callback::to<&Worker::on_clients_changed>(this), &overload_}),
      quiet_timer_(loop_, Callback::to<&Worker::close_doors_when_quiet>(this)),
      cut_timer_(loop_, Callback::to<&Worker::cut_all>(this)),
      pace_timer_(loop_, Callback::to<&Worker::retire_some>(this)),
      clients_(loop_, child.workplace().buffers(), front_, *this) {}

Worker::~Worker() = default;

void Worker::on_generation(std::shared_ptr<Generation> generation, const NamedFds& sockets) {
  generation_ = std::move(generation);
  front_.switch_to(generation_->site());
  access_log_ = child_.logs().find(generation_->config().log.access.path);
  most_clients_ = connection_limit(generation_->config());
  child_.workplace().buffers().pipes.allow(pipe_limit(generation_->config()));
  overload_.set(generation_->config().overload);
  // Before it is so much that new requests are refused.
  child_.heap().set_limit(generation_->config().overload.memory / 10 * 9);
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
  shm::InFlight::Ticket ticket;
  if ((listening->tls && too_many_handshakes(peer)) || too_many_of(peer, ticket)) {
    net::set_reset_on_close(fd);
    close(fd);
    return;
  }
  std::unique_ptr<net::Stream> stream =
      listening->tls ? net::make_tls_stream(loop_, fd, *listening->tls) : net::make_plain_stream(loop_, fd);
  clients_.add(std::move(stream), peer, listening->listener->address.port, std::move(ticket));
}

// A proxy that is trusted speaks for many clients; a unix socket is no address at all.
bool Worker::counts(const net::IpAddress& peer) const {
  return !peer.bytes().empty() && !config::contains(generation_->config().trusted_proxies, peer.bytes());
}

// Before anything is computed for it: that is what the limit is for.
bool Worker::too_many_handshakes(const net::IpAddress& peer) {
  const config::ClientLimits& limits = generation_->config().client.limits;
  const auto pass = [this](uint64_t key, const config::Rate& rate) {
    return rate.count == 0 ||
           rates_.allow(key, {rate.count, rate.period, rate.count - 1}, loop_.now()).allowed;
  };
  // Who has had his share takes nothing of the others'.
  if ((!counts(peer) || pass(address_key(peer, "handshakes of an address"), limits.handshakes)) &&
      pass(stable_hash("handshakes"), limits.handshakes_total)) {
    return false;
  }
  child_.workplace().counters().counter(shm::Metric::tls_handshakes_refused).add();
  return true;
}

bool Worker::too_many_of(const net::IpAddress& peer, shm::InFlight::Ticket& ticket) {
  const uint32_t most = generation_->config().client.limits.connections;
  if (most == 0 || !counts(peer)) return false;
  auto place = in_flight_.enter(address_key(peer, "connections of an address"), most);
  if (place) {
    ticket = std::move(*place);
    return false;
  }
  child_.workplace().counters().counter(shm::Metric::connections_refused).add();
  return true;
}

size_t Worker::connections() const {
  size_t greetings = 0;
  for (const auto& [address, door] : doors_) greetings += door->greetings();
  return clients_.count() + front_.handed_over() + greetings;
}

void Worker::on_clients_changed() {
  child_.slot().connections.store(connections(), std::memory_order_relaxed);
  bool full = connections() >= most_clients_;
  if (full != full_) open_or_pause();
  finish_if_empty();
}

// Who cannot be served waits in the kernel's queue, where other workers find him.
void Worker::open_or_pause() {
  if (!accepting_) return;
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

void Worker::on_second() {
  child_.slot().requests.store(front_.requests(), std::memory_order_relaxed);
  KernelPipes& pipes = child_.workplace().buffers().pipes;
  pipes.tidy();
  const uint64_t spliced = pipes.spliced();
  if (spliced == spliced_told_) return;
  child_.workplace().counters().counter(shm::Metric::spliced_bytes).add(spliced - spliced_told_);
  spliced_told_ = spliced;
}

// ---------------------------------------------------------------- the end

void Worker::on_drain(Millis time, bool paced) {
  if (draining_) return;
  draining_ = true;
  front_.drain(time);
  if (paced) {
    retired_by_ = loop_.now() + time - time / 10;
    pace_timer_.start(time / 2);
  } else {
    clients_.drain();
  }
  generation_->drain(time);
  cut_timer_.start(time);
  closing_since_ = loop_.now();
  close_doors_when_quiet();
}

void Worker::retire_some() {
  const auto steps = std::max<int64_t>((retired_by_ - loop_.now()) / Duration(kPace), 1);
  clients_.retire((clients_.count() + static_cast<size_t>(steps) - 1) / static_cast<size_t>(steps));
  pace_timer_.start(kPace);
}

// The socket stays open while others use it, so those who come later are theirs.
void Worker::close_doors_when_quiet() {
  bool quiet =
      std::all_of(doors_.begin(), doors_.end(), [](const auto& entry) { return entry.second->quiet(); });
  if (!quiet && loop_.now() - closing_since_ < kLongestQueue) return quiet_timer_.start(Millis(1));
  accepting_ = false;
  for (auto& [address, door] : doors_) door->pause();
  child_.close_sockets();
  finish_if_empty();
}

void Worker::on_stop() {
  draining_ = true;
  quiet_timer_.stop();
  pace_timer_.stop();
  cut_all();
}

void Worker::cut_all() {
  doors_.clear();
  accepting_ = false;
  if (cut_ || clients_.count() == 0) return child_.finish();
  cut_ = true;
  clients_.cut();
  cut_timer_.start(kCutTime);
}

void Worker::finish_if_empty() {
  if (draining_ && !accepting_ && connections() == 0) child_.finish();
}

}  // namespace banyan::process
