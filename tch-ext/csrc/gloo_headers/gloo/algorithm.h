#pragma once

// ProcessGroupGloo.hpp includes Gloo's headers, which no package of libtorch has. The files of this folder declare the little that it
// names; the code is inside libtorch.
