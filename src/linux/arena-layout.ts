/** How both loops lay out their arena: an unused page, the small buffers, the engine's big ones. */

/** Bytes of a small buffer: small enough that an idle side costs little, large enough for a request or a TLS record. */
export const SMALL_SIZE = 16 * 1024;
/** The first page holds no buffer, so that offset 0 can mean "none". */
export const SMALL_FIRST = 4096;
