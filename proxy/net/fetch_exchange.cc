#include "net/fetch_exchange.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/tls_context.h"

namespace banyan::net {
namespace {

using Micros = std::chrono::microseconds;

constexpr size_t kMostReserved = 1024 * 1024;  // on the word of a Content-Length

void append(FieldList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  CHECK(longer != nullptr);
  (void)list.release();
  list.reset(longer);
}

}  // namespace

void init_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(code == CURLE_OK);
}

FetchExchange::FetchExchange(CURL* easy, FetchRequest request) : easy_(easy), request_(std::move(request)) {
  set_common();
  set_method();
  set_fields();
  set_tls();
  set_socket();
}

void FetchExchange::set_common() {
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_ERRORBUFFER, error_text_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");  // not even the environment's
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, "banyan");
  set(CURLOPT_HEADERFUNCTION, &FetchExchange::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &FetchExchange::on_body);
  set(CURLOPT_WRITEDATA, this);
  if (!request_.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
}

// curl derives framing and what it expects of the answer from the options, the word on the wire from
// CUSTOMREQUEST.
void FetchExchange::set_method() {
  bool has_body = !request_.body.empty() || request_.method == "POST" || request_.method == "PUT";
  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    set(CURLOPT_POSTFIELDS, request_.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else if (request_.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  // When a kept connection turns out to be closed, curl sends the request again: not for these (RFC 9110
  // section 9.2.2).
  if (request_.method == "POST" || request_.method == "PATCH") set(CURLOPT_FRESH_CONNECT, 1L);
}

void FetchExchange::set_fields() {
  append(fields_, "Expect:");        // no waiting for 100 Continue
  append(fields_, "Content-Type:");  // none of curl's own choice for a body
  for (const FetchField& field : request_.fields) {
    append(fields_, field.value.empty() ? field.name + ";" : field.name + ": " + field.value);
  }
  set(CURLOPT_HTTPHEADER, fields_.get());
}

void FetchExchange::set_tls() {
  set(CURLOPT_SSL_VERIFYPEER, request_.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, request_.verify ? 2L : 0L);
  const auto set_text = [this](CURLoption option, std::string& text) {
    if (text.empty()) return;
    curl_blob blob{text.data(), text.size(), CURL_BLOB_NOCOPY};
    set(option, &blob);
  };
  set_text(CURLOPT_CAINFO_BLOB, request_.authorities);
  set_text(CURLOPT_SSLCERT_BLOB, request_.certificate);
  set_text(CURLOPT_SSLKEY_BLOB, request_.key);
  // curl takes such a list only from a file, and does not know that a kept connection was checked by another.
  if (!request_.revocations.empty()) {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
    set(CURLOPT_SSL_CTX_FUNCTION, &FetchExchange::on_tls_context);
    set(CURLOPT_SSL_CTX_DATA, this);
  }
  if (request_.connect_to.empty()) return;
  append(connect_to_, "::" + request_.connect_to);  // whatever the URL's host and port
  set(CURLOPT_CONNECT_TO, connect_to_.get());
}

CURLcode FetchExchange::on_tls_context(CURL*, void* context, void* self) {
  const std::string& text = static_cast<FetchExchange*>(self)->request_.revocations;
  const Result<void> used = use_revocations(static_cast<ssl_ctx_st*>(context), {"crl", text});
  return used ? CURLE_OK : CURLE_SSL_CRL_BADFILE;
}

void FetchExchange::set_socket() {
  if (request_.socket < 0) return;
  set(CURLOPT_FRESH_CONNECT, 1L);
  set(CURLOPT_FORBID_REUSE, 1L);
  set(CURLOPT_OPENSOCKETFUNCTION, &FetchExchange::on_open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_SOCKOPTFUNCTION, &FetchExchange::on_socket_opened);
}

// curl closes what it gets.
curl_socket_t FetchExchange::on_open_socket(void* self, curlsocktype, curl_sockaddr*) {
  return fcntl(static_cast<FetchExchange*>(self)->request_.socket, F_DUPFD_CLOEXEC, 0);
}

size_t FetchExchange::on_header(char* data, size_t, size_t size, void* self) {
  FetchExchange& exchange = *static_cast<FetchExchange*>(self);
  if (exchange.body_began_) return size;  // trailers
  if (exchange.head_reader_.take_line({data, size})) return size;
  exchange.head_too_long_ = true;
  return 0;
}

size_t FetchExchange::on_body(char* data, size_t, size_t size, void* self) {
  FetchExchange& exchange = *static_cast<FetchExchange*>(self);
  std::string& body = exchange.response_.body;
  if (exchange.discarding_) return size;
  if (!std::exchange(exchange.body_began_, true)) {
    curl_off_t announced = std::max<curl_off_t>(exchange.ask(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T), 0);
    body.reserve(std::min({static_cast<size_t>(announced), exchange.request_.max_body, kMostReserved}));
  }
  if (size > exchange.request_.max_body - body.size()) {
    exchange.body_too_long_ = true;
    return 0;
  }
  body.append(data, size);
  return size;
}

void FetchExchange::discard() {
  discarding_ = true;
  response_.body = std::string();
}

Result<FetchResponse> FetchExchange::take_result(CURLcode code) {
  if (code != CURLE_OK) return error_of(code);
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  return std::move(response_);
}

Error FetchExchange::error(int status, std::string_view type, bool nothing_sent, std::string_view why) const {
  Error error = upstream_error(status, type, fmt::format("fetch {}: {}", display_url(request_.url), why));
  error.nothing_sent = nothing_sent;
  return error;
}

Error FetchExchange::error_of(CURLcode code) const {
  std::string_view why = error_text_[0] ? error_text_ : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(502, "dns_error", true, why);
    case CURLE_COULDNT_CONNECT:
      return error(502, "connection_refused", true, why);
    case CURLE_PEER_FAILED_VERIFICATION:
      return error(502, "tls_certificate_error", true, why);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
      return error(502, "tls_protocol_error", true, why);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return error(502, "connection_terminated", false, why);
    case CURLE_PARTIAL_FILE:
      return error(502, "http_response_incomplete", false, why);
    case CURLE_OPERATION_TIMEDOUT:
      return timeout();
    case CURLE_WRITE_ERROR:
      if (body_too_long_) {
        return error(502, "http_response_body_size", false,
                     fmt::format("the body is longer than {} bytes", request_.max_body));
      }
      if (head_too_long_)
        return error(502, "http_response_header_section_size", false, "the head is too long");
      break;
    default:
      break;
  }
  return error(502, "http_protocol_error", false, why);
}

Error FetchExchange::timeout() const {
  if (ask(CURLINFO_PRETRANSFER_TIME_T) == 0)
    return error(504, "connection_timeout", true, "no connection in time");
  return error(504, "http_response_timeout", false, "no answer in time");
}

curl_off_t FetchExchange::ask(CURLINFO what) const {
  curl_off_t value = 0;
  curl_easy_getinfo(easy_, what, &value);
  return value;
}

FetchTiming FetchExchange::timing() const {
  long connects = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &connects);
  FetchTiming timing;
  timing.reused = connects == 0 && ask(CURLINFO_PRETRANSFER_TIME_T) > 0;
  if (!timing.reused) {
    timing.connected = Micros(std::max(ask(CURLINFO_CONNECT_TIME_T), ask(CURLINFO_APPCONNECT_TIME_T)));
  }
  timing.first_byte = Micros(ask(CURLINFO_STARTTRANSFER_TIME_T));
  return timing;
}

}  // namespace banyan::net
