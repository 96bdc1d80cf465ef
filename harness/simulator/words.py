"""Words that people use: the head of each language's vocabulary, most frequent first.

The tail is synthetic (`harness.simulator.vocabulary`), so that a vocabulary has the size and the Zipf distribution of a real one.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ENGLISH = _words(
    "the to and a of is in it that you this for my on with be are not so have just like at what but all was we they me"
    " your do people from about can one how more time good now when up out new love day today get know really think would"
    " there going no make see right work great been world thing still need want never always year morning night game music"
    " book cat dog coffee weather election science art photo birds garden history climate train news story friend home"
    " tomorrow finally beautiful happy thanks please maybe honestly absolutely reading writing watching listening"
)

PORTUGUESE = _words(
    "que de a o e não eu é um uma do da em pra com se mais no na os as por isso mas muito como meu minha foi hoje tem"
    " quando gente você ele ela ser bem já aqui agora ainda dia bom boa noite vida amor coisa sempre nunca tudo nada"
    " também porque então pessoas mundo tempo casa trabalho amanhã música livro jogo filme café chuva saudade coração"
    " notícia governo eleição cidade praia futebol verdade história ciência manhã obrigado alguém"
)

CZECH = _words(
    "a se to je na v že já si jsem jako tak ale pro s do by už co když jen nebo tady dnes není bude ještě moc dobrý den"
    " ráno večer dobře lidi prostě taky možná všechno člověk práce čas doma zítra včera hezký krásný kniha hudba vlak"
    " počasí kočka pes káva město příběh děkuji prosím škoda vlastně konečně překlad řeka žluťoučký kůň volby zpráva"
    " vláda věda historie jaro podzim sníh"
)

JAPANESE = _words(
    "今日 明日 昨日 私 人 時間 仕事 写真 猫 犬 天気 雨 夏 冬 朝 夜 本 映画 音楽 ゲーム アニメ 漫画 絵 友達 家 電車 駅 東京"
    " 大阪 京都 旅行 コーヒー ラーメン お茶 ご飯 カレー パン 花 桜 海 山 空 星 月 世界 日本 ニュース 選挙 歴史 科学 研究"
    " 言葉 心 夢 声 歌 配信 新刊 原稿 イラスト 推し 最高 最近 久しぶり おはよう おやすみ ありがとう お疲れ様 誕生日 週末"
    " ネトフリ スマホ パソコン アカウント タイムライン 眠気 散歩 掃除 洗濯"
)

JAPANESE_PARTICLES = _words(
    "の は が を に で と も から まで って とか より なのに だけど けど だから みたいな という での には では への しか"
)

JAPANESE_ENDINGS = _words(
    "です ました だった かも と思う らしい してる 見たい 食べたい 行きたい よかった 可愛い すごい 好き だよね でした"
    " なんだよな ですね してしまった 始まった 終わった 楽しみ 寝る 起きた 買った 読んだ 描いた 嬉しい 難しい 面白かった"
    " 間に合った 知らなかった"
)

JAPANESE_STOPS = _words("。 ！ 、 … ？ w 〜 。。。 ……")

KANJI = (
    "日月火水木金土山川田人口車門雨花空海森林石竹糸貝足手目耳心力男女子学校先生年時分半上下左右前後東西南北春夏秋冬朝昼夜"
    "父母兄姉弟妹友食飲見聞読書話言行来出入立休走歩止回会社店駅道町村国家新古高安大小長短多少早遠近強弱明暗白黒赤青"
    "黄色音楽歌絵画図形紙本字文番号電気計算理科体育工作場所室内外番組風雪雲星光線野原谷岩池魚鳥牛馬犬毛羽"
)
KATAKANA = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユ"
    "ヨラリルレロワンガギグゲゴザジズゼゾダデドバビブベボパピプペポ"
)

EMOJI = _words("😂 ❤️ 😭 🙏 ✨ 🔥 👀 💦 🥹 😊 🎉 👇 🌸 ☕ 🐱 📚 🎮 🇨🇿 🇧🇷 👩🏽‍💻 🏳️‍🌈 👨‍👩‍👧‍👦 🤷‍♀️ 💙")

# Characters that JSON, HTML and careless code stumble over.
ASIDES = (
    '"quote unquote"',
    "R&B",
    "I <3 this",
    "¯\\_(ツ)_/¯",
    "50% / 50%",
    "it's > nothing",
    "tab\there",
    "C:\\temp",
    "naïve café",
    "don't",
    "(sic)",
    "--",
)

TOPICS = _words(
    "art photography music gaming caturday booksky nature birds science climate history cooking football anime ttrpg"
    " writing streetphotography newmusicfriday indiedev fediverse openaccess Bluesky NowPlaying WritingCommunity"
)
TOPICS_JAPANESE = _words(
    "イラスト 写真 猫 今日のごはん 創作 アニメ 鉄道 読書 ポケモン おはよう 青空部 空の写真 一次創作 日記"
)
TOPICS_OTHER = _words("música futebol fotografia cinema čeština vlaky příroda hudba gatos knihy")
