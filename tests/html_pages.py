"""A page's text, images, figures and links, and whether every tag is closed."""

import html.parser


class Page(html.parser.HTMLParser):
    """Text, sources of images, labels of SVG figures, links, and the tags that are still open."""

    def __init__(self, text):
        super().__init__()
        self.words, self.images, self.figures, self.links, self.open = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "img":
            self.images.append(values["src"])
        if tag == "svg":
            self.figures.append(values["aria-label"])
        self.links += [v for k, v in attributes if k in ("href", "src") and tag != "img"]
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
