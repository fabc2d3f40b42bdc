// Clients of an event hub: many WebSockets that listen to one channel, and one publisher at a fixed rate.
// Each event carries the time it was planned for, and each client's latency counts from then, whether the
// publisher was late or not (no coordinated omission). One thread, epoll, no library: what it costs beside
// the hub has to be small and the same for all hubs.
//
//   event_load ADDRESS PORT PATH CLIENTS RATE SECONDS SIZE PUBLISH_PATH [STALLED [FIRST [each]]]
//
// STALLED further clients connect and never read. FIRST is the number of the first client, so that several of
// these programs at the same time have source addresses of their own; with `each`, each client listens to a
// channel of its own, PATH and its number. With a RATE of 0 nothing is published. Prints one JSON object.
// While it waits, before the first event and after the last, it prints "connected" and reads a line from
// standard input: that is when others measure.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "event_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

struct Settings {
  sockaddr_in address{};
  std::string host, path, publish_path;
  size_t clients = 0, stalled = 0, first = 0, size = 200;
  bool each = false;
  double rate = 20, seconds = 10;
};

int connect_to(const Settings& settings, size_t number, int receive_buffer) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  // Many source addresses: one has 28,000 ports.
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000002 + static_cast<uint32_t>((settings.first + number) / 10'000));
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0) die("bind");
  if (receive_buffer > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&settings.address), sizeof settings.address) != 0)
    die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) die("send");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// One WebSocket; what it has of a frame that is not complete.
struct Client {
  int fd = -1;
  bool open = false;
  std::string rest;
};

class Load {
 public:
  explicit Load(const Settings& settings)
      : settings_(settings), clients_(settings.clients), epoll_(epoll_create1(0)) {
    if (epoll_ < 0) die("epoll_create1");
  }

  void connect_all() {
    const int64_t began = now_us();
    for (size_t i = 0; i < settings_.stalled; ++i) {
      send_all(connect_to(settings_, settings_.clients + i, 4096), request(0));
    }
    // Some under way at the same time, as many as a backlog holds.
    for (size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].fd = connect_to(settings_, i, 0);
      send_all(clients_[i].fd, request(i));
      epoll_event event{};
      event.events = EPOLLIN | EPOLLET;
      event.data.u64 = i;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_[i].fd, &event) != 0) die("epoll_ctl");
      while (i + 1 - opened_ > 100) look(10);
    }
    while (opened_ < clients_.size()) look(1000);
    setup_seconds_ = static_cast<double>(now_us() - began) / 1e6;
  }

  void publish_all() {
    publisher_ = connect_to(settings_, settings_.clients + settings_.stalled, 0);
    fill_buffers();
    const auto events = static_cast<size_t>(settings_.rate * settings_.seconds);
    latencies_.reserve(events * clients_.size());
    const int64_t began = now_us() + 100'000;
    for (size_t i = 0; i < events; ++i) {
      const int64_t planned = began + static_cast<int64_t>(static_cast<double>(i) / settings_.rate * 1e6);
      for (int64_t left = planned - now_us(); left > 0; left = planned - now_us()) {
        look(static_cast<int>(left / 1000));
      }
      publish(std::to_string(planned), settings_.size);
    }
    const int64_t last = now_us();
    while (latencies_.size() < events * clients_.size() && now_us() - last < 20'000'000) look(100);
    expected_ = events * clients_.size();
  }

  void report() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [this](double share) {
      if (latencies_.empty()) return 0.0;
      const auto place = static_cast<size_t>(share * static_cast<double>(latencies_.size()));
      return static_cast<double>(latencies_[std::min(place, latencies_.size() - 1)]) / 1000;
    };
    std::printf(
        "{\"clients\": %zu, \"setup_seconds\": %.3f, \"expected\": %zu, \"delivered\": %zu, \"p50_ms\": "
        "%.2f, "
        "\"p99_ms\": %.2f, \"p999_ms\": %.2f, \"max_ms\": %.2f}\n",
        clients_.size(), setup_seconds_, expected_, latencies_.size(), at(0.5), at(0.99), at(0.999), at(1));
  }

 private:
  std::string request(size_t number) const {
    const std::string channel = settings_.each ? std::to_string(settings_.first + number) : "";
    return "GET " + settings_.path + channel + " HTTP/1.1\r\nHost: " + settings_.host +
           "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  }

  // Of those who do not read, so that they are stalled when it begins. Not counted.
  void fill_buffers() {
    for (int i = 0; i < 20 && settings_.stalled > 0; ++i) {
      publish("0", 4000);
      look(100);
    }
    for (int64_t end = now_us() + 1'000'000; now_us() < end;) look(100);
  }

  void publish(std::string body, size_t size) {
    body.resize(size, '.');
    send_all(publisher_, "POST " + settings_.publish_path + " HTTP/1.1\r\nHost: " + settings_.host +
                             "\r\nContent-Type: text/plain\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body);
    char answer[65536];
    while (recv(publisher_, answer, sizeof answer, MSG_DONTWAIT) > 0) {
    }
  }

  void look(int milliseconds) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, milliseconds);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; ++i) read(clients_[events[i].data.u64]);
  }

  void read(Client& client) {
    while (true) {
      const ssize_t got = recv(client.fd, space_, sizeof space_, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        errno = got == 0 ? ECONNRESET : errno;
        die(client.open ? "a subscriber was disconnected" : "a subscriber was refused");
      }
      std::string_view bytes(space_, static_cast<size_t>(got));
      if (!client.rest.empty()) {
        client.rest += bytes;
        bytes = client.rest;
      }
      const size_t used = take(client, bytes, now_us());
      std::string rest(bytes.substr(used));
      client.rest.swap(rest);
      if (static_cast<size_t>(got) < sizeof space_) return;
    }
  }

  // Reads whole frames; returns how many bytes they are.
  size_t take(Client& client, std::string_view bytes, int64_t now) {
    size_t used = 0;
    if (!client.open) {
      const size_t end = bytes.find("\r\n\r\n");
      if (end == bytes.npos) return 0;
      if (bytes.substr(0, 12) != "HTTP/1.1 101") die("the answer is not 101");
      client.open = true;
      ++opened_;
      used = end + 4;
    }
    while (bytes.size() - used >= 2) {
      const std::string_view frame = bytes.substr(used);
      size_t size = static_cast<uint8_t>(frame[1]) & 127, head = 2;
      if (size == 126) {
        if (frame.size() < 4) break;
        size = size_t{static_cast<uint8_t>(frame[2])} << 8 | static_cast<uint8_t>(frame[3]);
        head = 4;
      }
      if (frame.size() < head + size) break;
      const int64_t planned = (frame[0] & 15) <= 2 ? std::strtoll(&frame[head], nullptr, 10) : 0;
      if (planned > 0) latencies_.push_back(static_cast<uint32_t>(now - planned));
      used += head + size;
    }
    return used;
  }

  const Settings& settings_;
  std::vector<Client> clients_;
  std::vector<uint32_t> latencies_;  // microseconds
  int epoll_;
  int publisher_ = -1;
  size_t opened_ = 0;
  size_t expected_ = 0;
  double setup_seconds_ = 0;
  char space_[65536];
};

void wait_for_line(const char* word) {
  std::puts(word);
  std::fflush(stdout);
  while (true) {
    const int got = std::getchar();
    if (got == '\n' || got == EOF) return;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 9) {
    std::fputs(
        "usage: event_load ADDRESS PORT PATH CLIENTS RATE SECONDS SIZE PUBLISH_PATH "
        "[STALLED [FIRST [each]]]\n",
        stderr);
    return 2;
  }
  Settings settings;
  settings.address.sin_family = AF_INET;
  settings.address.sin_port = htons(static_cast<uint16_t>(std::atoi(words[2])));
  if (inet_pton(AF_INET, words[1], &settings.address.sin_addr) != 1) die("address");
  settings.host = std::string(words[1]) + ":" + words[2];
  settings.path = words[3];
  settings.clients = static_cast<size_t>(std::atoll(words[4]));
  settings.rate = std::atof(words[5]);
  settings.seconds = std::atof(words[6]);
  settings.size = static_cast<size_t>(std::atoll(words[7]));
  settings.publish_path = words[8];
  if (count > 9) settings.stalled = static_cast<size_t>(std::atoll(words[9]));
  if (count > 10) settings.first = static_cast<size_t>(std::atoll(words[10]));
  settings.each = count > 11 && words[11] == std::string_view("each");
  Load load(settings);
  load.connect_all();
  wait_for_line("connected");
  load.publish_all();
  wait_for_line("published");
  load.report();
}
