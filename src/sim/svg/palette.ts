/** Colours that can be told apart on white and on black. */

const GOLDEN_ANGLE = 137.508;

function hex(hue: number, saturation: number, lightness: number): string {
  const channel = (offset: number): string => {
    const position = (offset + hue / 30) % 12;
    const value =
      lightness -
      saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(position - 3, 9 - position, 1));
    return Math.round(value * 255)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** Of a peer: neighbours are far from each other. */
export const peerColour = (index: number): string =>
  hex((index * GOLDEN_ANGLE + 205) % 360, 0.52, index % 2 === 0 ? 0.6 : 0.7);

/** Of a block: two that follow each other differ in lightness. */
export const blockColour = (index: number): string => hex((205 + index * 47) % 360, 0.5, index % 2 === 0 ? 0.52 : 0.68);

/** What the classes of `markup.ts` and the pictures stand for. */
export const STYLE = `
text{font-family:system-ui,-apple-system,"DejaVu Sans",sans-serif}
.paper{fill:#ffffff}.ink{fill:#1c1f24}.faint{fill:#6a717d}
.line{stroke:#c9ced6;stroke-width:1;fill:none}.edge{stroke:#ffffff;stroke-width:.6}
.frame{stroke:#6a717d;stroke-width:1;fill:none}.band{fill:#f3f5f8}
.in{fill:#2f7d4f}.out{fill:#b4642a}.loss{stroke:#c62828;stroke-width:1.5}
@media (prefers-color-scheme:dark){
.paper{fill:#14171c}.ink{fill:#e8eaee}.faint{fill:#9aa3b0}
.line{stroke:#3a414c}.edge{stroke:#14171c}.frame{stroke:#9aa3b0}.band{fill:#1c2027}
.in{fill:#5fbf85}.out{fill:#e0935a}.loss{stroke:#ff6b6b}}
`;
