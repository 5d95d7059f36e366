#include "cli/door.h"
namespace hwvault::cli {
Answer<std::unique_ptr<Door>> open_bus_door(std::chrono::milliseconds) { return Failure{HWVAULT_ERROR_UNREACHABLE, "x"}; }
}
