#include "runtime/version.h"

namespace anabranch {

const char* Version() { return ANABRANCH_VERSION; }

}  // namespace anabranch
