/**
 * Integers that must never be mixed up, told apart by the compiler at no cost at run time.
 *
 * A branded number is an ordinary number; the brand exists only in the type.
 */
declare const brand: unique symbol;

export type Brand<Name extends string> = number & { readonly [brand]: Name };

/** A file descriptor of this process, >= 0. */
export type Fd = Brand<'Fd'>;
/** One side of a connection: `slot * 2` is downstream (client), `slot * 2 + 1` upstream (server). */
export type SideSlot = Brand<'SideSlot'>;
/** A row of the listeners table. */
export type ListenerSlot = Brand<'ListenerSlot'>;
/** Microseconds of the monotonic clock, as a double. */
export type Us = Brand<'Us'>;
/** Byte offset into the arena (native memory shared with the kernel); 0 means "none". */
export type ArenaOffset = Brand<'ArenaOffset'>;
