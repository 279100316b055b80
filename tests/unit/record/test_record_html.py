"""What pages are made of."""

from phmbench.record import html


def test_columns_of_words_start_at_the_left_and_long_keys_may_go_on_in_the_next_line():
    made = html.table(["key", "value"], [["task.optimizer.lr", "0.001"]], text=["key"])
    assert '<th scope="col" class=text>key</th><th scope="col">value</th>' in made
    assert "<td class=text>task.<wbr>optimizer.<wbr>lr</td><td>0.001</td>" in made


def test_a_table_of_many_columns_is_set_smaller_and_its_numbers_are_not_broken():
    made = html.table(["batch_size"] * 10, [["a_b", "1e-05", "0.25", *["<"] * 7]])
    assert "<table class=many>" in made
    assert "batch_<wbr>size" in made
    assert "<td>a_<wbr>b</td><td>1e-05</td><td>0.25</td><td>&lt;</td>" in made
    assert "class=many" not in html.table(["batch_size"] * 9, [])
