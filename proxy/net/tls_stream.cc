// Either end of TLS over a non-blocking socket.
//
//   read()   socket ──recv──▶ OpenSSL ──▶ caller
//   write()  caller ──▶ OpenSSL ──▶ sealed_ ──send──▶ socket
//
// OpenSSL reads from the socket itself but writes into `sealed_`, which always has room. So it never stops in
// the middle of a record it has made, never wants to write in order to read or the reverse, and several
// records go out in one send. What the kernel does not take stays in `sealed_` and leaves with the next
// notice of room.
//
// Plaintext counts as written only when its records are in the kernel's hands (the caller may close the
// stream then). Until that `unreported_` says how much of it was encrypted already: the next write begins
// with these bytes and skips them.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"
#include "event/deferred.h"
#include "event/loop.h"
#include "net/socket_io.h"
#include "net/tls_context.h"
#include "net/tls_error.h"

namespace banyan::net {
namespace {

constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;  // 16 KiB
constexpr size_t kBatch = 4 * kRecord;                // ciphertext for one send
constexpr size_t kOverhead = 64;                      // more than a record's head, nonce, padding and tag

// Where a gathering write stands in its parts.
class Parts {
 public:
  explicit Parts(std::span<const iovec> parts) : parts_(parts) { skip_empty(); }
  bool empty() const { return parts_.empty(); }
  std::string_view front() const {
    return {static_cast<const char*>(parts_[0].iov_base) + offset_, parts_[0].iov_len - offset_};
  }
  bool last() const { return parts_.size() == 1; }
  // Drops `count` bytes, or all if there are fewer; returns how many it dropped.
  size_t drop(size_t count) {
    size_t left = count;
    while (left > 0 && !parts_.empty()) {
      size_t step = std::min(left, front().size());
      offset_ += step;
      left -= step;
      skip_empty();
    }
    return count - left;
  }

 private:
  void skip_empty() {
    while (!parts_.empty() && offset_ == parts_[0].iov_len) {
      parts_ = parts_.subspan(1);
      offset_ = 0;
    }
  }
  std::span<const iovec> parts_;
  size_t offset_ = 0;
};

class TlsStream final : public Stream {
 public:
  enum class Role { server, client };
  TlsStream(event::Loop& loop, int fd, SSL* ssl, Role role, std::shared_ptr<TlsSession> session = nullptr);
  ~TlsStream() override;

  bool start(Listener& listener) override;
  void hand_to(Listener& listener) override { listener_ = &listener; }
  IoResult read(std::span<char> space) override;
  IoResult write(std::span<const iovec> parts) override;
  void want_write() override;
  void shutdown_write() override;
  void reset_on_close() override;
  int fd() const override { return fd_; }
  std::string_view tls_protocol() const override;
  std::string peer_subject() const override;
  bool handshake_done() const override { return state_ == State::open; }
  std::string_view failure() const override { return failure_; }
  bool speaks_plain_http() const override { return state_ == State::plain; }

  // OpenSSL's view of the socket.
  static BIO_METHOD* make_bio_method();

 private:
  // connecting: a client's, until its socket can be written to.
  enum class State { connecting, handshake, open, plain, failed };

  static TlsStream& of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }
  static int bio_read(BIO* bio, char* out, int size);
  static int bio_write(BIO* bio, const char* data, int size);
  static long bio_control(BIO* bio, int command, long, void*);

  IoResult shake_hands();
  IoResult handshake_failure(int error);
  IoResult read_ending(int result, size_t bytes);
  IoResult fail(std::string why);
  bool seal(Parts& parts);
  bool flush();
  size_t settle();
  size_t unsent() const { return sealed_.size() - sent_; }
  bool arm_write_watch();
  void send_close_notify();
  void finish_writing();
  void readable() { listener_->on_readable(); }
  void writable();
  void tell_room();

  event::Loop& loop_;
  int fd_;
  SSL* ssl_;
  Listener* listener_ = nullptr;
  event::IoWatch read_watch_;
  std::unique_ptr<event::IoWatch> write_watch_;
  event::Deferred room_notice_;
  const Role role_;
  std::shared_ptr<TlsSession> session_;  // of a client; OpenSSL writes into it
  State state_;
  std::string sealed_;     // records on their way to the kernel
  size_t sent_ = 0;        // bytes of sealed_ it has taken
  size_t unreported_ = 0;  // plaintext in sealed_ that write() has not reported yet
  bool want_write_ = false;
  bool closing_ = false;    // shutdown_write() was called
  bool resetting_ = false;  // reset_on_close() was called
  bool drained_ = false;    // the last recv took all there was
  bool at_end_ = false;     // the peer's FIN was read
  bool heard_ = false;      // some byte came from the peer
  int error_number_ = 0;    // of the socket
  std::string failure_;
};

BIO_METHOD* TlsStream::make_bio_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "banyan socket");
  CHECK(method != nullptr);
  BIO_meth_set_read(method, &TlsStream::bio_read);
  BIO_meth_set_write(method, &TlsStream::bio_write);
  BIO_meth_set_ctrl(method, &TlsStream::bio_control);
  return method;
}

int TlsStream::bio_read(BIO* bio, char* out, int size) {
  TlsStream& stream = of(bio);
  BIO_clear_retry_flags(bio);
  IoResult result = receive(stream.fd_, {out, static_cast<size_t>(size)}, stream.read_watch_.peer_finished());
  stream.drained_ = result.drained;
  switch (result.status) {
    case IoStatus::ok:
      stream.heard_ = true;
      return static_cast<int>(result.bytes);
    case IoStatus::again:
      BIO_set_retry_read(bio);
      return -1;
    case IoStatus::end:
      stream.at_end_ = true;
      return 0;
    case IoStatus::error:
      stream.error_number_ = result.error_number;
      return -1;
  }
  return -1;
}

int TlsStream::bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  of(bio).sealed_.append(data, static_cast<size_t>(size));
  return size;
}

long TlsStream::bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return of(bio).at_end_;
  return 0;
}

TlsStream::TlsStream(event::Loop& loop, int fd, SSL* ssl, Role role, std::shared_ptr<TlsSession> session)
    : loop_(loop),
      fd_(fd),
      ssl_(ssl),
      read_watch_(loop, fd, event::IoWatch::Interest::read, Callback::to<&TlsStream::readable>(this)),
      room_notice_(loop, Callback::to<&TlsStream::tell_room>(this)),
      role_(role),
      session_(std::move(session)),
      state_(role == Role::server ? State::handshake : State::connecting) {
  static BIO_METHOD* const method = make_bio_method();
  BIO* bio = BIO_new(method);
  CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (role == Role::server) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
    if (session_) session_->attach(ssl_);
  }
}

TlsStream::~TlsStream() {
  read_watch_.stop();
  write_watch_.reset();
  if (state_ == State::open && !closing_ && !resetting_) send_close_notify();
  SSL_free(ssl_);
  ERR_clear_error();
  close(fd_);
}

bool TlsStream::start(Listener& listener) {
  listener_ = &listener;
  return read_watch_.start();
}

std::string_view TlsStream::tls_protocol() const {
  if (state_ != State::open) return {};
  return SSL_get_version(ssl_);
}

std::string TlsStream::peer_subject() const {
  const X509* certificate = state_ == State::open ? SSL_get0_peer_certificate(ssl_) : nullptr;
  if (!certificate || SSL_get_verify_result(ssl_) != X509_V_OK) return {};
  std::unique_ptr<BIO, int (*)(BIO*)> text(BIO_new(BIO_s_mem()), BIO_free);
  // Escapes control characters and what is not ASCII, so it can stand in a field.
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// ---------------------------------------------------------------- reading

IoResult TlsStream::read(std::span<char> space) {
  if (state_ == State::plain) return receive(fd_, space, read_watch_.peer_finished());
  if (state_ == State::failed) return {IoStatus::error, 0, true, error_number_};
  if (state_ == State::handshake || state_ == State::connecting) {
    IoResult result = shake_hands();
    if (result.status != IoStatus::ok) return result;
  }
  size_t bytes = 0;
  int result = 1;
  while (bytes < space.size()) {
    ERR_clear_error();
    size_t got = 0;
    result = SSL_read_ex(ssl_, space.data() + bytes, space.size() - bytes, &got);
    if (result != 1) break;
    bytes += got;
    // Neither the kernel nor OpenSSL holds more: saves the recv that would say so.
    if (drained_ && !SSL_has_pending(ssl_)) return {IoStatus::ok, bytes, true, 0};
  }
  return result == 1 ? IoResult{IoStatus::ok, bytes, false, 0} : read_ending(result, bytes);
}

// What came before the end or the failure is handed out first; OpenSSL says the same again at the next read.
IoResult TlsStream::read_ending(int result, size_t bytes) {
  int error = SSL_get_error(ssl_, result);
  if (!flush()) return {IoStatus::error, 0, true, error_number_};
  if (error == SSL_ERROR_WANT_READ) return {bytes > 0 ? IoStatus::ok : IoStatus::again, bytes, true, 0};
  if (bytes > 0) return {IoStatus::ok, bytes, false, 0};
  if (error == SSL_ERROR_ZERO_RETURN) return {IoStatus::end, 0, true, 0};
  if (error == SSL_ERROR_SYSCALL) return fail({});
  return fail(take_tls_error());
}

IoResult TlsStream::shake_hands() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    int error = SSL_get_error(ssl_, result);
    if (error != SSL_ERROR_WANT_READ) return handshake_failure(error);
  } else {
    state_ = State::open;
    if (want_write_) room_notice_.schedule();
  }
  if (!flush()) return {IoStatus::error, 0, true, error_number_};
  return result == 1 ? IoResult{} : IoResult{IoStatus::again, 0, true, 0};
}

IoResult TlsStream::handshake_failure(int error) {
  int reason = ERR_GET_REASON(ERR_peek_error());
  if (role_ == Role::server && error == SSL_ERROR_SSL &&
      (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST)) {
    failure_ = take_tls_error();
    state_ = State::plain;
    sealed_.clear();
    return {IoStatus::error, 0, false, 0};
  }
  if (error_number_ == 0 && at_end_) {
    // A port check connects and goes: no reason to complain.
    if (!heard_) return {IoStatus::end, 0, true, 0};
    return fail("the peer closed during the handshake");
  }
  std::string why = error == SSL_ERROR_SSL ? take_tls_error() : std::string();
  if (const long verified = SSL_get_verify_result(ssl_); verified != X509_V_OK && !why.empty()) {
    why += std::string(": ") + X509_verify_cert_error_string(verified);
  }
  flush();  // the alert
  return fail(std::move(why));
}

// An empty text: the socket's errno says it all.
IoResult TlsStream::fail(std::string why) {
  state_ = State::failed;
  failure_ = std::move(why);
  return {IoStatus::error, 0, true, error_number_};
}

// ---------------------------------------------------------------- writing

IoResult TlsStream::write(std::span<const iovec> parts) {
  if (state_ == State::plain) return send_parts(fd_, parts);
  if (state_ == State::connecting) {  // the client speaks first
    state_ = State::handshake;
    IoResult result = shake_hands();
    if (result.status == IoStatus::error) return result;
  }
  if (state_ == State::handshake) return {IoStatus::again, 0, false, 0};
  if (state_ == State::failed || closing_)
    return {IoStatus::error, 0, false, error_number_ ? error_number_ : EPIPE};
  Parts rest(parts);
  rest.drop(unreported_);
  size_t reported = 0;
  while (true) {
    if (!flush()) return {IoStatus::error, 0, false, error_number_};
    reported += settle();
    if (unsent() > 0 || rest.empty()) break;
    if (!seal(rest)) {
      fail(take_tls_error());
      return {IoStatus::error, 0, false, error_number_};
    }
  }
  return {reported > 0 || unsent() == 0 ? IoStatus::ok : IoStatus::again, reported, false, 0};
}

// Encrypts a batch of records. Small parts are joined, so that a head and its body share one record.
bool TlsStream::seal(Parts& parts) {
  char joined[kRecord];
  while (!parts.empty() && unsent() < kBatch) {
    std::string_view record = parts.front().substr(0, kRecord);
    size_t size = record.size();
    if (size < kRecord && !parts.last()) {
      size = 0;
      while (!parts.empty() && size < kRecord) {
        record = parts.front().substr(0, kRecord - size);
        std::memcpy(joined + size, record.data(), record.size());
        size += parts.drop(record.size());
      }
      record = {joined, size};
    } else {
      parts.drop(size);
    }
    if (sealed_.empty()) sealed_.reserve(size + kOverhead);
    ERR_clear_error();
    size_t written = 0;
    if (SSL_write_ex(ssl_, record.data(), record.size(), &written) != 1) return false;
    CHECK(written == record.size());
    unreported_ += written;
  }
  return true;
}

// Plaintext is reported as its ciphertext leaves; the last byte only when nothing waits, and so the caller
// goes on writing until all of it is out.
size_t TlsStream::settle() {
  size_t stays = std::min(unreported_, unsent());
  return std::exchange(unreported_, stays) - stays;
}

// Sends what is sealed, as far as the kernel takes it. False when the connection failed.
bool TlsStream::flush() {
  while (unsent() > 0) {
    iovec part{sealed_.data() + sent_, unsent()};
    IoResult result = send_parts(fd_, {&part, 1});
    if (result.status == IoStatus::again) return arm_write_watch();
    if (result.status == IoStatus::error) {
      error_number_ = result.error_number;
      state_ = State::failed;
      return false;
    }
    sent_ += result.bytes;
  }
  std::string().swap(sealed_);  // idle connections keep no buffer; an assignment would
  sent_ = 0;
  return true;
}

bool TlsStream::arm_write_watch() {
  if (write_watch_) return true;
  write_watch_ = std::make_unique<event::IoWatch>(loop_, fd_, event::IoWatch::Interest::write,
                                                  Callback::to<&TlsStream::writable>(this));
  if (write_watch_->start()) return true;
  write_watch_.reset();
  error_number_ = ENOMEM;
  state_ = State::failed;
  return false;
}

void TlsStream::writable() {
  if (state_ == State::open || state_ == State::handshake) flush();
  if (closing_ && unsent() == 0) finish_writing();
  if (want_write_) tell_room();
}

void TlsStream::tell_room() {
  want_write_ = false;
  listener_->on_writable();
}

// Told by the end of the handshake, by the next edge, or, when an internal flush took that edge, by itself.
void TlsStream::want_write() {
  want_write_ = true;
  if (state_ == State::handshake) return;
  if (state_ == State::connecting && arm_write_watch()) return;
  if (state_ == State::plain && arm_write_watch()) return;
  if (unsent() == 0 || state_ == State::failed) room_notice_.schedule();
}

void TlsStream::shutdown_write() {
  if (std::exchange(closing_, true)) return;
  if (state_ == State::open) {
    ERR_clear_error();
    SSL_shutdown(ssl_);  // seals a close_notify
    flush();
  }
  if (unsent() == 0 || state_ == State::failed) finish_writing();
}

// At the end of a stream that nobody shut down: the peer shall know that nothing was cut off. Only as far as
// the kernel takes it at once; there is no later.
void TlsStream::send_close_notify() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  iovec part{sealed_.data() + sent_, unsent()};
  send_parts(fd_, {&part, 1});
}

void TlsStream::reset_on_close() {
  resetting_ = true;
  set_reset_on_close(fd_);
}

void TlsStream::finish_writing() { ::shutdown(fd_, SHUT_WR); }

}  // namespace

std::unique_ptr<Stream> make_tls_stream(event::Loop& loop, int fd, const TlsContext& context) {
  SSL* ssl = SSL_new(context.get());
  CHECK(ssl != nullptr);
  return std::make_unique<TlsStream>(loop, fd, ssl, TlsStream::Role::server);
}

std::unique_ptr<Stream> make_tls_client_stream(event::Loop& loop, int fd, const TlsContext& context,
                                               const std::string& host, std::shared_ptr<TlsSession> session) {
  SSL* ssl = SSL_new(context.get());
  CHECK(ssl != nullptr);
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
  if (!name.empty() && X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) != 1) {
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    CHECK(X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) == 1);
    SSL_set_tlsext_host_name(ssl, name.c_str());
  }
  return std::make_unique<TlsStream>(loop, fd, ssl, TlsStream::Role::client, std::move(session));
}

}  // namespace banyan::net
