// One message each way on one of libcurl's easy handles: the options set, the answer collected, the errors
// told. The same for both ways of waiting, on the loop (Fetcher) and without (fetch_now).
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string_view>

#include "net/fetch.h"
#include "net/fetch_message.h"

namespace banyan::net {

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using FieldList = std::unique_ptr<curl_slist, FreeList>;

// Once in a process; curl of Debian 12 does it safely from any thread.
void init_curl();

// Stays where it is while curl uses the handle.
class FetchExchange {
 public:
  // Sets all options of `easy`, which is new or was reset. REQUIRES: check_request(request).
  FetchExchange(CURL* easy, FetchRequest request);
  FetchExchange(const FetchExchange&) = delete;
  FetchExchange& operator=(const FetchExchange&) = delete;

  CURL* easy() const { return easy_; }
  const FetchRequest& request() const { return request_; }
  // The outcome, once. `code` is what curl said of the transfer.
  Result<FetchResponse> take_result(CURLcode code);
  // The outcome of an exchange that is given up.
  Error timeout() const;
  // All but `total`.
  FetchTiming timing() const;
  // Keep nothing of what still comes.
  void discard();

 private:
  void set_common();
  void set_method();
  void set_fields();
  void set_tls();
  void set_socket();
  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }
  curl_off_t ask(CURLINFO what) const;
  Error error(int status, std::string_view type, bool nothing_sent, std::string_view why) const;
  Error error_of(CURLcode code) const;
  static curl_socket_t on_open_socket(void* self, curlsocktype, curl_sockaddr*);
  static int on_socket_opened(void*, curl_socket_t, curlsocktype) { return CURL_SOCKOPT_ALREADY_CONNECTED; }
  static CURLcode on_tls_context(CURL*, void* context, void* self);
  static size_t on_header(char* data, size_t, size_t size, void* self);
  static size_t on_body(char* data, size_t, size_t size, void* self);

  CURL* easy_;
  FetchRequest request_;
  FetchResponse response_;
  HeadReader head_reader_{response_};
  FieldList fields_;
  FieldList connect_to_;
  bool body_began_ = false;
  bool discarding_ = false;
  bool head_too_long_ = false;
  bool body_too_long_ = false;
  char error_text_[CURL_ERROR_SIZE] = "";
};

}  // namespace banyan::net
