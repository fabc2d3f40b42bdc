#include "fuzz/http_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  banyan::http::checks::check_websocket({reinterpret_cast<const char*>(data), size});
  return 0;
}
