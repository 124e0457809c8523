/* SPDX-License-Identifier: MIT
 *
 * gr.h: everything of the core library, libgroupcomm.
 *
 * How to read these headers: error.h and types.h are short. host.h says what the library
 * asks of you (send a frame, take a delivery), options.h what you can set, group.h is the
 * handle that most hosts use and inspect.h looks inside it. paxos.h is the ordering engine
 * on its own, for hosts that want to pull its outputs instead of receiving callbacks.
 * certify.h decides which transactions commit, above this or any other order.
 * posix.h, of libgroupcomm-posix, is a finished host: TCP and a thread.
 */
#ifndef GR_GR_H
#define GR_GR_H

#include <gr/certify.h>
#include <gr/error.h>
#include <gr/group.h>
#include <gr/host.h>
#include <gr/inspect.h>
#include <gr/options.h>
#include <gr/types.h>
#include <gr/version.h>

#endif
