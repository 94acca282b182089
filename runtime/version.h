// Which Anabranch this is.
#ifndef ANABRANCH_RUNTIME_VERSION_H_
#define ANABRANCH_RUNTIME_VERSION_H_

namespace anabranch {

// Such as "0.1.0": the project's version in the top CMakeLists.txt.
const char* Version();

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_VERSION_H_
