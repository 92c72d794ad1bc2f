/** How the messages of one protocol become frames and back. */
export interface Codec<M> {
  encode(message: M): Uint8Array;
  /**
   * The result may hold views of `bytes`.
   * @throws MeshError INVALID_MESSAGE when the bytes are malformed or out of bounds.
   */
  decode(bytes: Uint8Array): M;
}
