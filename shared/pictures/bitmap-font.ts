/**
 * A 5 x 7 pixel font for printable ASCII, with two more rows for what hangs below the line. Labels are drawn with it and
 * not as SVG text, because a bare container has no fonts, and there text comes out as boxes or not at all.
 */

/** Height of a line in font pixels: seven rows above the baseline, two below. */
export const glyphHeight = 9;
const glyphWidth = 5;
/** From one glyph's left edge to the next one's: a column of space lies between them. */
const advance = glyphWidth + 1;

/**
 * Characters 32 to 126, seven to nine rows each from the top, one base-32 digit a row: five bits, the leftmost pixel
 * highest.
 */
const glyphs = `
  0000000 4444404 aa00000 aavavaa 4fke5u4 op248j3 cik8lid 4480000 2488842 8422248 04lel40 044v440
  00000cc48 000v000 00000cc 01248g0 ehjlphe 4c4444e eh1248v v2421he 26aiv22 vgu11he 68guhhe v124888
  ehhehhe ehhf12c 0cc0cc0 0cc00cc48 248g842 00v0v00 8421248 eh12404 eh1dlle ehhvhhh uhhuhhu ehggghe
  sihhhis vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv hrllhhh hhpljhh ehhhhhe
  uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllla hha4ahh hhha444 v1248gv e88888e
  0g84210 e22222e 4ah0000 00000000v 8420000 00e1fhf ggmphhu 00egghe 11djhhf 00ehvge 698s888 00fhhhf1e
  ggmphhh 40c444e 2062222ic ggikoki c44444e 00qllhh 00mphhh 00ehhhe 00mphhugg 00djhhf11 00mpggg 00ege1u
  88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah 00hhhhf1e 00v248v 2448442 4444444 8442448 008l200`
  .trim()
  .split(/\s+/);

const glyphOf = (character: string): string =>
  glyphs[(character.codePointAt(0) ?? 0) - 32] ?? glyphs["?".charCodeAt(0) - 32]!;

/** Width of a line of text in font pixels. */
export const textWidth = (text: string): number => Math.max([...text].length * advance - 1, 0);

/** The text cut to at most `width` font pixels; what is cut is marked by two dots. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const room = Math.max(Math.floor((width + 1) / advance) - 2, 0);
  return `${[...text].slice(0, room).join("")}..`;
}

/**
 * Calls `draw` for every font pixel that is ink, x from 0 to textWidth - 1 and y from 0 to glyphHeight - 1. Characters
 * beyond printable ASCII appear as question marks.
 */
export function drawText(text: string, draw: (x: number, y: number) => void): void {
  [...text].forEach((character, index) => {
    [...glyphOf(character)].forEach((digit, y) => {
      const row = Number.parseInt(digit, 32);
      for (let x = 0; x < glyphWidth; x++) {
        if (row & (16 >> x)) draw(index * advance + x, y);
      }
    });
  });
}
